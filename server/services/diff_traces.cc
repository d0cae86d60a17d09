// TraceService.DiffTraces: two traces read, compared, and told a page at a time.
#include <fmt/format.h>

#include <algorithm>

#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
#include "server/services/trace_diff.h"
#include "server/services/trace_service.h"
#include "server/services/unary.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/text_diff.h"

namespace troupe {
namespace {

// One of the two tasks with its trace.
struct Side {
  std::string task;
  std::vector<SpanRecord> spans;
};

void FillAttribute(const std::string& key, const SpanPair& pair, v1::AttributeDiff& message) {
  message.set_key(key);
  const Json& a = pair.a->attributes;
  const Json& b = pair.b->attributes;
  if (a.contains(key)) message.set_json_a(DumpJson(a[key]));
  if (b.contains(key)) message.set_json_b(DumpJson(b[key]));
}

void FillPair(const SpanPair& pair, const Side& a, const Side& b, v1::SpanDiff& message) {
  message.set_path(pair.any().path);
  if (pair.a != nullptr) *message.mutable_a() = SpanMessage({0, a.task, *pair.a});
  if (pair.b != nullptr) *message.mutable_b() = SpanMessage({0, b.task, *pair.b});
  for (const auto aspect : pair.aspects) message.add_aspects(aspect);
  for (const std::string& key : pair.attributes) {
    FillAttribute(key, pair, *message.add_attributes());
  }
}

void FillTotals(const TraceDiff& diff, const Side& a, const Side& b, v1::TraceDiffTotals& totals) {
  totals.set_spans_a(static_cast<int>(a.spans.size()));
  totals.set_spans_b(static_cast<int>(b.spans.size()));
  int same = 0;
  int differing = 0;
  int only_a = 0;
  int only_b = 0;
  for (const SpanPair& pair : diff.pairs) {
    ++(pair.b == nullptr ? only_a : pair.a == nullptr ? only_b : pair.differs() ? differing : same);
  }
  totals.set_same(same);
  totals.set_differing(differing);
  totals.set_only_a(only_a);
  totals.set_only_b(only_b);
  *totals.mutable_usage_a() = UsageMessage(diff.usage_a);
  *totals.mutable_usage_b() = UsageMessage(diff.usage_b);
}

std::string Readable(const absl::StatusOr<Json>& value) {
  return value.ok() ? ReadableJson(*value) : std::string("(not readable)\n");
}

// A span's request laid out for reading; "" for none.
std::string RequestText(const SpanRecord* span, const ReadContentFn& read) {
  if (span == nullptr || span->request_hash.empty()) return "";
  return Readable(ExpandForReading(span->request_hash, ReadOf(*span, read), false));
}

std::string ResultText(const SpanRecord* span, const ReadContentFn& read) {
  if (span == nullptr || span->result_hash.empty()) return "";
  return Readable(span->kind == SpanKind::kModelCall
                      ? LoadWhatWasReplied(span->result_hash, ReadOf(*span, read))
                      : ExpandForReading(span->result_hash, ReadOf(*span, read), false));
}

}  // namespace

absl::Status TraceServiceImpl::FillDiff(const v1::DiffTracesRequest& request,
                                        v1::DiffTracesResponse& response) {
  Side a;
  Side b;
  ASSIGN_OR_RETURN(a.task, ParseTaskName(request.name_a(), "name_a"));
  ASSIGN_OR_RETURN(b.task, ParseTaskName(request.name_b(), "name_b"));
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size(), 500, 5000));
  const std::string arguments = fmt::format("DiffTraces\n{}\n{}\n{}", request.name_a(),
                                            request.name_b(), request.include_same());
  ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request.page_token(), arguments));
  for (auto [side, task] :
       {std::pair(&a, response.mutable_task_a()), std::pair(&b, response.mutable_task_b())}) {
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Get(side->task));
    *task = TaskMessage(snapshot, Workspace(), TaskDetail::kListed);
    ASSIGN_OR_RETURN(side->spans, manager_->store().LoadSpans(side->task));
  }
  const TraceDiff diff = CompareTraces(a.spans, b.spans, reader());
  FillTotals(diff, a, b, *response.mutable_totals());
  const SpanPair* explained = request.path().empty() ? diff.First() : diff.Find(request.path());
  if (explained == nullptr && !request.path().empty()) {
    return Error(Reason::kNotFound,
                 fmt::format("neither trace has a span with the path '{}'", request.path()),
                 {{"field", "path"}, {"path", request.path()}});
  }
  if (explained != nullptr && request.page_token().empty()) {
    FillPair(*explained, a, b, *response.mutable_explained()->mutable_diff());
    v1::ExplainedDiff& message = *response.mutable_explained();
    message.set_request_diff(UnifiedDiff(RequestText(explained->a, reader()),
                                         RequestText(explained->b, reader()), "a", "b"));
    message.set_response_diff(UnifiedDiff(ResultText(explained->a, reader()),
                                          ResultText(explained->b, reader()), "a", "b"));
  }
  size_t next = static_cast<size_t>(key.first);
  for (; next < diff.pairs.size() && response.diffs_size() < page_size; ++next) {
    const SpanPair& pair = diff.pairs[next];
    if (request.include_same() || pair.differs()) FillPair(pair, a, b, *response.add_diffs());
  }
  const bool more = std::any_of(
      diff.pairs.begin() + static_cast<std::ptrdiff_t>(std::min(next, diff.pairs.size())),
      diff.pairs.end(),
      [&](const SpanPair& pair) { return request.include_same() || pair.differs(); });
  if (more) response.set_next_page_token(tokens_->Make({static_cast<int64_t>(next), 0}, arguments));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* TraceServiceImpl::DiffTraces(Context* context,
                                                       const v1::DiffTracesRequest* request,
                                                       v1::DiffTracesResponse* response) {
  return Answer(context, *threads_, [=, this] { return FillDiff(*request, *response); });
}

}  // namespace troupe
