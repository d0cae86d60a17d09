#include "agents/runtime/journal.h"

namespace troupe {

bool IsEffect(SpanKind kind) { return kind != SpanKind::kSpan; }

std::string_view SpanKindName(SpanKind kind) {
  switch (kind) {
    case SpanKind::kSpan:
      return "span";
    case SpanKind::kModelCall:
      return "model_call";
    case SpanKind::kToolCall:
      return "tool_call";
    case SpanKind::kQuestion:
      return "question";
    case SpanKind::kClock:
      return "clock";
    case SpanKind::kCompletionOrder:
      return "completion_order";
    case SpanKind::kValue:
      return "value";
    case SpanKind::kRandom:
      return "random";
  }
  return "span";
}

std::string_view SpanStateName(SpanState state) {
  switch (state) {
    case SpanState::kRunning:
      return "running";
    case SpanState::kOk:
      return "ok";
    case SpanState::kError:
      return "error";
    case SpanState::kCancelled:
      return "cancelled";
  }
  return "running";
}

ReadContentFn ReadOf(const SpanRecord& span, ReadContentFn read) {
  return [&span, read = std::move(read)](const Hash& hash) -> absl::StatusOr<std::string> {
    if (hash == span.request_hash && !span.request_root.empty()) return span.request_root;
    if (hash == span.result_hash && !span.result_root.empty()) return span.result_root;
    return read(hash);
  };
}

}  // namespace troupe
