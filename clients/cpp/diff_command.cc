#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

constexpr size_t kPathWidth = 44;
constexpr size_t kValueWidth = 40;

struct DiffOptions {
  std::string a;
  std::string b;
  std::string path;
  bool all = false;
  int limit = 100;
};

// "request", "tokens" ...
std::string AspectText(v1::SpanDiff::Aspect aspect) {
  std::string name = v1::SpanDiff::Aspect_Name(aspect).substr(std::string("ASPECT_").size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string AspectsText(const v1::SpanDiff& diff) {
  if (!diff.has_a()) return "only in b";
  if (!diff.has_b()) return "only in a";
  std::string text;
  for (const int aspect : diff.aspects()) {
    text += (text.empty() ? "" : ", ") + AspectText(static_cast<v1::SpanDiff::Aspect>(aspect));
  }
  return text.empty() ? "same" : text;
}

std::string Short(const std::string& json) {
  if (json.empty()) return "(none)";
  return json.size() <= kValueWidth ? json : json.substr(0, kValueWidth) + "...";
}

// "score 6.0 -> 9.0; attempts 1 -> 2"
std::string AttributesText(const v1::SpanDiff& diff) {
  std::string text;
  for (const v1::AttributeDiff& attribute : diff.attributes()) {
    text += fmt::format("{}{} {} -> {}", text.empty() ? "" : "; ", attribute.key(),
                        Short(attribute.json_a()), Short(attribute.json_b()));
  }
  return text;
}

int64_t Tokens(const v1::Usage& usage) { return usage.input_tokens() + usage.output_tokens(); }

std::string QuantitiesText(const v1::SpanDiff& diff) {
  std::string text;
  if (const int64_t tokens = Tokens(diff.b().usage()) - Tokens(diff.a().usage()); tokens != 0) {
    text += fmt::format("  {:+} tokens", tokens);
  }
  const int64_t cost = diff.b().usage().cost_microusd() - diff.a().usage().cost_microusd();
  if (cost != 0) {
    text += fmt::format("  {}${:.4f}", cost < 0 ? "-" : "+",
                        static_cast<double>(std::abs(cost)) * 1e-6);
  }
  const std::string before = DurationText(diff.a());
  const std::string after = DurationText(diff.b());
  if (diff.has_a() && diff.has_b() && before != after) {
    text += fmt::format("  {} -> {}", before.empty() ? "?" : before, after.empty() ? "?" : after);
  }
  return text;
}

char Mark(const v1::SpanDiff& diff) {
  if (!diff.has_a()) return '>';
  if (!diff.has_b()) return '<';
  return diff.aspects().empty() ? ' ' : '~';
}

void PrintLine(const v1::SpanDiff& diff) {
  const std::string& path = diff.path().empty() ? "(task)" : diff.path();
  std::cout << fmt::format("{} {:<{}}  {}{}", Mark(diff), path, kPathWidth, AspectsText(diff),
                           QuantitiesText(diff));
  if (const std::string attributes = AttributesText(diff); !attributes.empty()) {
    std::cout << "  [" << attributes << "]";
  }
  std::cout << std::endl;
}

void PrintTaskLine(char side, const v1::Task& task, const v1::Usage& usage) {
  std::cout << fmt::format("{}  {}  {}  {}", side, task.name(), StateText(task.state()),
                           UsageText(usage));
  if (!task.forked_from().empty()) std::cout << "  forked from " << task.forked_from();
  if (!task.replay_of().empty()) std::cout << "  replay of " << task.replay_of();
  std::cout << std::endl;
}

void PrintExcerpt(const char* what, const std::string& diff) {
  if (!diff.empty()) std::cout << "\n  " << what << ":\n" << diff;
}

void PrintExplained(const v1::ExplainedDiff& explained, bool first) {
  const v1::SpanDiff& diff = explained.diff();
  std::cout << fmt::format("\n{}: {} ({})", first ? "First difference" : "Of", diff.path(),
                           AspectsText(diff));
  for (const v1::Span* span : {&diff.a(), &diff.b()}) {
    if (!span->name().empty()) std::cout << "  " << span->name();
  }
  std::cout << std::endl;
  PrintExcerpt("request", explained.request_diff());
  PrintExcerpt("result", explained.response_diff());
}

void PrintHead(const v1::DiffTracesResponse& response, bool first) {
  const v1::TraceDiffTotals& totals = response.totals();
  PrintTaskLine('a', response.task_a(), totals.usage_a());
  PrintTaskLine('b', response.task_b(), totals.usage_b());
  std::cout << fmt::format(
                   "{} spans in a, {} in b: {} the same, {} differ, {} only in a, {} only "
                   "in b",
                   totals.spans_a(), totals.spans_b(), totals.same(), totals.differing(),
                   totals.only_a(), totals.only_b())
            << std::endl;
  if (response.has_explained()) PrintExplained(response.explained(), first);
}

// All pages in one answer, as far as `limit` reaches.
grpc::Status Fetch(Connection& connection, const DiffOptions& options,
                   v1::DiffTracesResponse& all) {
  v1::DiffTracesRequest request;
  request.set_name_a(TaskName(options.a));
  request.set_name_b(TaskName(options.b));
  request.set_path(options.path);
  request.set_include_same(options.all);
  for (;;) {
    request.set_page_size(std::min(options.limit - all.diffs_size(), 1000));
    v1::DiffTracesResponse page;
    const auto status = connection.traces().DiffTraces(CallContext().get(), request, &page);
    if (!status.ok()) return status;
    const std::string next = page.next_page_token();
    if (request.page_token().empty()) {
      all = std::move(page);
    } else {
      all.mutable_diffs()->MergeFrom(page.diffs());
      all.set_next_page_token(next);
    }
    if (next.empty() || all.diffs_size() >= options.limit) return status;
    request.set_page_token(next);
  }
}

int Diff(const GlobalOptions& global, const DiffOptions& options) {
  Connection connection(global.server);
  v1::DiffTracesResponse response;
  const auto status = Fetch(connection, options, response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response) << std::endl;
    return kExitOk;
  }
  PrintHead(response, options.path.empty());
  if (!options.path.empty()) return kExitOk;
  if (response.diffs_size() > 0) std::cout << std::endl;
  for (const v1::SpanDiff& diff : response.diffs()) PrintLine(diff);
  if (!response.next_page_token().empty()) std::cout << "... (more with --limit)" << std::endl;
  return kExitOk;
}

}  // namespace

void AddDiffCommand(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App* command =
      app.add_subcommand("diff",
                         "Compare what two tasks did: a task and its fork, two seeds, any two.\n"
                         "Spans are aligned by path. Marks: ~ differs, < only in a, > only in b.");
  command->add_option("a", options->a, "tasks/ID or ID")->required();
  command->add_option("b", options->b, "tasks/ID or ID")->required();
  command->add_option("--path", options->path,
                      "Show the texts of this span, in place of the first that differs");
  command->add_flag("--all", options->all, "List the spans that are the same as well");
  command->add_option("-n,--limit", options->limit, "How many lines")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->callback([=, &global, &exit_code] { exit_code = Diff(global, *options); });
}

}  // namespace troupe::client
