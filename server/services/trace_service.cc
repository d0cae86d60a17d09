#include "server/services/trace_service.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <sstream>

#include "server/scheduler/resource_name.h"
#include "server/services/chunk_stream.h"
#include "server/services/convert.h"
#include "server/services/filter.h"
#include "server/services/unary.h"
#include "server/store/trace_queries.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kExportPage = 200;
constexpr int kMaxUsageRows = 1000;
constexpr char kNotebookName[] = "analysis.ipynb";

// 0 for all tasks.
absl::StatusOr<int64_t> KeyOfParent(Connection& connection, const std::string& task) {
  if (task.empty()) return 0;
  return TaskKey(connection, task);
}

std::string JsonLine(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string line;
  if (!google::protobuf::util::MessageToJsonString(message, &line, options).ok()) return "";
  return line + "\n";
}

// A number that is no value of its enumeration comes through proto3 unharmed.
absl::Status CheckEnum(bool valid, std::string_view field, int value) {
  if (valid) return absl::OkStatus();
  return Error(Reason::kInvalidField, fmt::format("{}: {} is no value of it", field, value),
               {{"field", std::string(field)}});
}

absl::Status NoNotebook(const std::string& name, bool ended) {
  if (!ended) {
    return Error(Reason::kTaskNotTerminal,
                 fmt::format("the task '{}' has left no notebook yet", name), {{"name", name}});
  }
  return Error(Reason::kTaskTerminal,
               fmt::format("the task '{}' has ended and left no notebook: export its trace as JSON "
                           "lines",
                           name),
               {{"name", name}});
}

UsageGroup GroupOf(v1::GetUsageRequest::GroupBy group) {
  switch (group) {
    case v1::GetUsageRequest::GROUP_BY_ROLE:
      return UsageGroup::kRole;
    case v1::GetUsageRequest::GROUP_BY_TOOL:
      return UsageGroup::kTool;
    case v1::GetUsageRequest::GROUP_BY_TASK:
      return UsageGroup::kTask;
    case v1::GetUsageRequest::GROUP_BY_DAY:
      return UsageGroup::kDay;
    default:
      return UsageGroup::kModel;
  }
}

std::unique_ptr<v1::WatchSpansResponse> EncodeSpanEvent(const TaskEvent& event, bool) {
  auto message = std::make_unique<v1::WatchSpansResponse>();
  message->set_sequence(event.sequence);
  if (const auto* began = std::get_if<SpanBegan>(&event.what)) {
    *message->mutable_span() = SpanMessage(began->span);
  } else if (const auto* ended = std::get_if<SpanFinished>(&event.what)) {
    *message->mutable_span() = SpanMessage(ended->span);
  } else {
    return nullptr;
  }
  return message;
}

}  // namespace

ReadContentFn TraceServiceImpl::reader() const {
  return [store = &manager_->store()](const Hash& hash) { return store->ReadContent(hash); };
}

absl::Status TraceServiceImpl::FillTrace(const v1::GetTraceRequest& request,
                                         v1::GetTraceResponse& response) {
  ASSIGN_OR_RETURN(const std::string id, ParseTaskName(request.name()));
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size(), 500, 5000));
  RETURN_IF_ERROR(CheckEnum(v1::SpanView_IsValid(request.view()), "view", request.view()));
  const std::string arguments = "GetTrace\n" + request.name();
  ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request.page_token(), arguments));
  std::vector<StoredSpan> spans;
  RETURN_IF_ERROR(manager_->store().Read([&](Connection& connection) -> absl::Status {
    SpanQuery query;
    ASSIGN_OR_RETURN(const int64_t task_key, TaskKey(connection, id));
    query.where = "s.task = ? AND s.begin_sequence > ?";
    query.numbers = {task_key, key.first};
    query.limit = page_size;
    ASSIGN_OR_RETURN(spans, QuerySpans(connection, query));
    return absl::OkStatus();
  }));
  if (request.page_token().empty()) {
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Get(id));
    *response.mutable_task() = TaskMessage(snapshot, manager_->WorkspaceOf(id), TaskDetail::kFull);
  }
  for (const StoredSpan& span : spans) {
    v1::Span* message = response.add_spans();
    *message = SpanMessage(span);
    if (request.view() == v1::SPAN_VIEW_FULL) AddContents(span, reader(), *message);
  }
  if (spans.size() == static_cast<size_t>(page_size)) {
    response.set_next_page_token(tokens_->Make({spans.back().record.begin_sequence, 0}, arguments));
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* TraceServiceImpl::GetTrace(Context* context,
                                                     const v1::GetTraceRequest* request,
                                                     v1::GetTraceResponse* response) {
  return Answer(context, *threads_, [=, this] { return FillTrace(*request, *response); });
}

grpc::ServerUnaryReactor* TraceServiceImpl::GetSpan(Context* context,
                                                    const v1::GetSpanRequest* request,
                                                    v1::GetSpanResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const SpanName name, ParseTaskOrSpan(request->name()));
    if (name.span == 0) {
      return Error(Reason::kInvalidField,
                   fmt::format("name: '{}' is not of the form tasks/{{task}}/spans/{{span}}",
                               request->name()),
                   {{"field", "name"}});
    }
    std::vector<StoredSpan> spans;
    RETURN_IF_ERROR(manager_->store().Read([&](Connection& connection) -> absl::Status {
      SpanQuery query;
      ASSIGN_OR_RETURN(const int64_t task_key, TaskKey(connection, name.task));
      query.where = "s.task = ? AND s.begin_sequence = ?";
      query.numbers = {task_key, name.span};
      ASSIGN_OR_RETURN(spans, QuerySpans(connection, query));
      return absl::OkStatus();
    }));
    if (spans.empty()) {
      return Error(Reason::kNotFound, fmt::format("there is no span '{}'", request->name()),
                   {{"name", request->name()}});
    }
    *response->mutable_span() = SpanMessage(spans[0]);
    AddContents(spans[0], reader(), *response->mutable_span());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TraceServiceImpl::ListSpans(Context* context,
                                                      const v1::ListSpansRequest* request,
                                                      v1::ListSpansResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string task, ParseParent(request->parent()));
    ASSIGN_OR_RETURN(const int page_size, PageSize(request->page_size(), 100, 1000));
    ASSIGN_OR_RETURN(const SqlCondition filter,
                     CompileFilter(request->filter(), SpanFilterFields()));
    const std::string arguments =
        fmt::format("ListSpans\n{}\n{}", request->parent(), request->filter());
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), arguments));
    std::vector<StoredSpan> spans;
    RETURN_IF_ERROR(manager_->store().Read([&](Connection& connection) -> absl::Status {
      SpanQuery query;
      ASSIGN_OR_RETURN(const int64_t task_key, KeyOfParent(connection, task));
      query.where = filter.sql.empty() ? "1" : "(" + filter.sql + ")";
      query.texts = filter.values;
      // Spans of one task are found by their sequence, those of all tasks by their key.
      const std::string place = task_key == 0 ? "s.id" : "s.begin_sequence";
      if (task_key != 0) query.where += " AND s.task = ?";
      if (task_key != 0) query.numbers.push_back(task_key);
      if (key.first != 0) query.where += fmt::format(" AND {} < ?", place);
      if (key.first != 0) query.numbers.push_back(key.first);
      query.order = place + " DESC";
      query.limit = page_size;
      ASSIGN_OR_RETURN(spans, QuerySpans(connection, query));
      return absl::OkStatus();
    }));
    for (const StoredSpan& span : spans) *response->add_spans() = SpanMessage(span);
    if (spans.size() == static_cast<size_t>(page_size)) {
      const int64_t last = task.empty() ? spans.back().key : spans.back().record.begin_sequence;
      response->set_next_page_token(tokens_->Make({last, 0}, arguments));
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchSpansResponse>* TraceServiceImpl::WatchSpans(
    Context* context, const v1::WatchSpansRequest* request) {
  const auto id = ParseTaskName(request->name());
  if (!id.ok()) return FailedStream<v1::WatchSpansResponse>(id.status());
  if (request->after_sequence() < 0) {
    return FailedStream<v1::WatchSpansResponse>(Error(Reason::kInvalidField,
                                                      "after_sequence: must not be negative",
                                                      {{"field", "after_sequence"}}));
  }
  WatchOptions options;
  options.task_id = *id;
  options.connection = context->peer();
  options.after_sequence = request->after_sequence();
  WatchCodec<v1::WatchSpansResponse> codec;
  codec.encode = EncodeSpanEvent;
  codec.heartbeat = [] { return v1::WatchSpansResponse(); };
  return WatchStream<v1::WatchSpansResponse>::Start(manager_, streams_, threads_->pool(),
                                                    std::move(options), std::move(codec));
}

grpc::ServerUnaryReactor* TraceServiceImpl::SearchSpans(Context* context,
                                                        const v1::SearchSpansRequest* request,
                                                        v1::SearchSpansResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string task, ParseParent(request->parent()));
    ASSIGN_OR_RETURN(const int page_size, PageSize(request->page_size(), 20, 200));
    if (request->query().size() > 1000) {
      return Error(Reason::kInvalidField, "query: at most 1000 bytes", {{"field", "query"}});
    }
    const std::string arguments =
        fmt::format("SearchSpans\n{}\n{}", request->parent(), request->query());
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), arguments));
    RETURN_IF_ERROR(manager_->store().CatchUpIndex());
    int64_t next = 0;
    RETURN_IF_ERROR(manager_->store().Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t task_key, KeyOfParent(connection, task));
      ASSIGN_OR_RETURN(const SearchPage page, SearchSpanText(connection, request->query(), task_key,
                                                             key.first, page_size));
      next = page.next_before;
      for (const SearchHit& hit : page.hits) {
        SpanQuery query;
        query.where = "s.id = ?";
        query.numbers = {hit.span_key};
        ASSIGN_OR_RETURN(const std::vector<StoredSpan> spans, QuerySpans(connection, query));
        if (spans.empty()) continue;
        v1::SpanHit* message = response->add_hits();
        *message->mutable_span() = SpanMessage(spans[0]);
        message->set_snippet(hit.snippet);
      }
      return absl::OkStatus();
    }));
    if (next != 0) {
      response->set_next_page_token(tokens_->Make({next, 0}, arguments));
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::ExportTraceResponse>* TraceServiceImpl::ExportTrace(
    Context*, const v1::ExportTraceRequest* request) {
  const auto id = ParseTaskName(request->name());
  if (!id.ok()) return FailedStream<v1::ExportTraceResponse>(id.status());
  const absl::Status valid = CheckEnum(v1::ExportTraceRequest::Format_IsValid(request->format()),
                                       "format", request->format());
  if (!valid.ok()) return FailedStream<v1::ExportTraceResponse>(valid);
  const auto task = manager_->Get(*id);
  if (!task.ok()) return FailedStream<v1::ExportTraceResponse>(task.status());
  if (request->format() == v1::ExportTraceRequest::FORMAT_NOTEBOOK) {
    std::ifstream file(manager_->WorkspaceOf(*id).artifacts() / kNotebookName);
    if (!file) {
      return FailedStream<v1::ExportTraceResponse>(
          NoNotebook(request->name(), task->row.end_time != absl::InfinitePast()));
    }
    std::ostringstream text;
    text << file.rdbuf();
    return ChunkStream<v1::ExportTraceResponse>::Start(threads_->pool(), TextChunks(text.str()));
  }
  auto page = std::make_shared<v1::GetTraceRequest>();
  page->set_name(request->name());
  page->set_view(v1::SPAN_VIEW_FULL);
  page->set_page_size(kExportPage);
  auto pending = std::make_shared<std::string>();
  auto done = std::make_shared<bool>(false);
  return ChunkStream<v1::ExportTraceResponse>::Start(
      threads_->pool(), [this, page, pending, done](std::string* chunk) -> absl::Status {
        while (pending->size() < kChunkBytes && !*done) {
          v1::GetTraceResponse response;
          RETURN_IF_ERROR(FillTrace(*page, response));
          if (response.has_task()) *pending += JsonLine(response.task());
          for (const v1::Span& span : response.spans()) *pending += JsonLine(span);
          page->set_page_token(response.next_page_token());
          *done = response.next_page_token().empty();
        }
        *chunk = pending->substr(0, kChunkBytes);
        pending->erase(0, chunk->size());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* TraceServiceImpl::GetUsage(Context* context,
                                                     const v1::GetUsageRequest* request,
                                                     v1::GetUsageResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string task, ParseParent(request->parent()));
    RETURN_IF_ERROR(CheckEnum(v1::GetUsageRequest::GroupBy_IsValid(request->group_by()), "group_by",
                              request->group_by()));
    std::vector<UsageSum> sums;
    RETURN_IF_ERROR(manager_->store().Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t task_key, KeyOfParent(connection, task));
      ASSIGN_OR_RETURN(sums,
                       SumUsage(connection, GroupOf(request->group_by()), task_key, kMaxUsageRows));
      return absl::OkStatus();
    }));
    Usage total;
    for (const UsageSum& sum : sums) {
      v1::UsageRow* row = response->add_rows();
      row->set_group(sum.group);
      *row->mutable_usage() = UsageMessage(sum.usage);
      total += sum.usage;
    }
    *response->mutable_total() = UsageMessage(total);
    return absl::OkStatus();
  });
}

}  // namespace troupe
