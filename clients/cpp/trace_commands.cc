#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/download_file.h"
#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

// A tree is read by path; spans come in the order in which they began, which mixes branches.
std::vector<const v1::Span*> TreeOrder(const std::vector<v1::Span>& spans) {
  std::map<std::string, std::vector<const v1::Span*>> children;
  const v1::Span* root = nullptr;
  for (const v1::Span& span : spans) {
    const size_t slash = span.path().rfind('/');
    if (span.path().empty()) {
      root = &span;
    } else {
      children[slash == std::string::npos ? "" : span.path().substr(0, slash)].push_back(&span);
    }
  }
  std::vector<const v1::Span*> order;
  std::vector<const v1::Span*> pending;
  const auto push_children = [&](const std::string& path) {
    const auto found = children.find(path);
    if (found == children.end()) return;
    pending.insert(pending.end(), found->second.rbegin(), found->second.rend());
  };
  if (root != nullptr) order.push_back(root);
  push_children("");
  while (!pending.empty()) {
    const v1::Span* span = pending.back();
    pending.pop_back();
    order.push_back(span);
    push_children(span->path());
  }
  return order;
}

int Trace(const GlobalOptions& global, const std::string& task, bool full) {
  Connection connection(global.server);
  v1::GetTraceRequest request;
  request.set_name(TaskName(task));
  request.set_view(full ? v1::SPAN_VIEW_FULL : v1::SPAN_VIEW_BASIC);
  std::vector<v1::Span> spans;
  v1::GetTraceResponse all;
  for (;;) {
    v1::GetTraceResponse page;
    const auto status = connection.traces().GetTrace(CallContext().get(), request, &page);
    if (!status.ok()) return Report(status, global.json);
    if (page.has_task()) *all.mutable_task() = page.task();
    for (const v1::Span& span : page.spans()) spans.push_back(span);
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  if (global.json) {
    for (const v1::Span& span : spans) *all.add_spans() = span;
    std::cout << ToJson(all) << std::endl;
    return kExitOk;
  }
  std::cout << all.task().name() << "  " << StateText(all.task().state()) << "  "
            << UsageText(all.task().usage()) << std::endl;
  for (const v1::Span* span : TreeOrder(spans)) {
    std::cout << SpanLine(*span) << "  (" << span->begin_sequence() << ")" << std::endl;
    if (full && !span->request_json().empty()) {
      std::cout << "    request: " << Printable(span->request_json())
                << "\n    response: " << Printable(span->response_json()) << std::endl;
    }
  }
  return kExitOk;
}

int Span(const GlobalOptions& global, const std::string& name) {
  Connection connection(global.server);
  v1::GetSpanRequest request;
  request.set_name(TaskName(name));
  v1::GetSpanResponse response;
  const auto status = connection.traces().GetSpan(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << ToJson(response.span()) << std::endl;
  return kExitOk;
}

int Export(const GlobalOptions& global, const std::string& task, const std::string& format,
           const std::string& file) {
  Connection connection(global.server);
  v1::ExportTraceRequest request;
  request.set_name(TaskName(task));
  request.set_format(format == "notebook" ? v1::ExportTraceRequest::FORMAT_NOTEBOOK
                                          : v1::ExportTraceRequest::FORMAT_JSONL);
  DownloadFile out(file);
  grpc::ClientContext context;
  auto stream = connection.traces().ExportTrace(&context, request);
  v1::ExportTraceResponse piece;
  while (stream->Read(&piece)) out.Write(piece.chunk());
  return out.Finish(stream->Finish(), global);
}

int Search(const GlobalOptions& global, const std::string& query, const std::string& task) {
  Connection connection(global.server);
  v1::SearchSpansRequest request;
  request.set_query(query);
  if (!task.empty()) request.set_parent(TaskName(task));
  v1::SearchSpansResponse response;
  const auto status = connection.traces().SearchSpans(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response) << std::endl;
    return kExitOk;
  }
  for (const v1::SpanHit& hit : response.hits()) {
    std::cout << hit.span().name() << "  " << hit.span().path() << "\n    "
              << OneLine(hit.snippet(), 0) << std::endl;
  }
  return kExitOk;
}

int Usage(const GlobalOptions& global, const std::string& task, const std::string& by) {
  Connection connection(global.server);
  v1::GetUsageRequest request;
  if (!task.empty()) request.set_parent(TaskName(task));
  const std::map<std::string, v1::GetUsageRequest::GroupBy> groups = {
      {"model", v1::GetUsageRequest::GROUP_BY_MODEL},
      {"role", v1::GetUsageRequest::GROUP_BY_ROLE},
      {"tool", v1::GetUsageRequest::GROUP_BY_TOOL},
      {"task", v1::GetUsageRequest::GROUP_BY_TASK},
      {"day", v1::GetUsageRequest::GROUP_BY_DAY}};
  request.set_group_by(groups.at(by));
  v1::GetUsageResponse response;
  const auto status = connection.traces().GetUsage(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response) << std::endl;
    return kExitOk;
  }
  for (const v1::UsageRow& row : response.rows()) {
    std::cout << fmt::format("{:<28} {}", row.group().empty() ? "-" : row.group(),
                             UsageText(row.usage()))
              << std::endl;
  }
  std::cout << fmt::format("{:<28} {}", "total", UsageText(response.total())) << std::endl;
  return kExitOk;
}

}  // namespace

void AddTraceCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  struct Options {
    std::string name;
    bool full = false;
    std::string format = "jsonl";
    std::string file;
    std::string query;
    std::string task;
    std::string by = "model";
  };
  auto options = std::make_shared<Options>();
  CLI::App* trace = app.add_subcommand("trace", "Show what a task did, as a tree");
  trace->add_option("task", options->name, "tasks/ID or ID")->required();
  trace->add_flag("--full", options->full, "With every request and response");
  trace->callback(
      [=, &global, &exit_code] { exit_code = Trace(global, options->name, options->full); });

  CLI::App* span = app.add_subcommand("span", "Show one span with its request and response");
  span->add_option("name", options->name, "tasks/ID/spans/N")->required();
  span->callback([=, &global, &exit_code] { exit_code = Span(global, options->name); });

  CLI::App* exported = app.add_subcommand("export", "Write a task's trace or notebook to a file");
  exported->add_option("task", options->name, "tasks/ID or ID")->required();
  exported->add_option("--format", options->format, "jsonl or notebook")
      ->check(CLI::IsMember({"jsonl", "notebook"}))
      ->capture_default_str();
  exported->add_option("-o,--output", options->file, "File; without it, standard output");
  exported->callback([=, &global, &exit_code] {
    exit_code = Export(global, options->name, options->format, options->file);
  });

  CLI::App* search = app.add_subcommand("search", "Search what was said, run and printed");
  search->add_option("query", options->query, "Words; \"a phrase\"; prefix*")->required();
  search->add_option("--task", options->task, "Of one task");
  search->callback(
      [=, &global, &exit_code] { exit_code = Search(global, options->query, options->task); });

  CLI::App* usage = app.add_subcommand("usage", "Sum what was used");
  usage->add_option("--task", options->task, "Of one task");
  usage->add_option("--by", options->by, "model, role, tool, task or day")
      ->check(CLI::IsMember({"model", "role", "tool", "task", "day"}))
      ->capture_default_str();
  usage->callback(
      [=, &global, &exit_code] { exit_code = Usage(global, options->task, options->by); });
}

}  // namespace troupe::client
