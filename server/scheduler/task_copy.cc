#include "server/scheduler/task_copy.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Gives the effects new sequences, dense from 1, in the order of their beginnings and ends.
void Renumber(TaskCopy& copy) {
  std::vector<int64_t*> sequences;
  for (SpanRecord& span : copy.effects) {
    sequences.push_back(&span.begin_sequence);
    sequences.push_back(&span.end_sequence);
  }
  std::sort(sequences.begin(), sequences.end(),
            [](const int64_t* a, const int64_t* b) { return *a < *b; });
  copy.last_sequence = 0;
  for (int64_t* sequence : sequences) *sequence = ++copy.last_sequence;
  std::sort(copy.effects.begin(), copy.effects.end(), [](const SpanRecord& a, const SpanRecord& b) {
    return a.begin_sequence < b.begin_sequence;
  });
}

bool IsFinishedEffect(const SpanRecord& span) {
  return IsEffect(span.kind) && span.end_sequence != 0 && span.state != SpanState::kCancelled;
}

absl::StatusOr<StoredValue> ReplacedResult(const SpanRecord& span,
                                           const v1::ForkTaskRequest& request) {
  const bool is_text = request.replacement_case() == v1::ForkTaskRequest::kText;
  Json value;
  if (is_text) {
    value = request.text();
  } else {
    auto parsed = ParseJson(request.value_json(), "value_json");
    if (!parsed.ok()) {
      return Error(Reason::kInvalidField, MessageOf(parsed.status()), {{"field", "value_json"}});
    }
    value = *std::move(parsed);
  }
  switch (span.kind) {
    case SpanKind::kModelCall: {
      ChatReply reply;
      reply.message = AssistantMessage(is_text ? request.text() : DumpJson(value));
      reply.model = span.model;
      return StoreChatReply(reply, "");
    }
    case SpanKind::kToolCall: {
      ToolResult result;
      result.value = value;
      result.content.push_back(ToolText{is_text ? request.text() : PrettyJson(value)});
      return StoreToolResult(result);
    }
    default:
      return StoreJson(value);
  }
}

}  // namespace

TaskCopy CopyEffects(const std::string& source, const std::vector<SpanRecord>& spans,
                     int64_t before) {
  TaskCopy copy;
  copy.source = source;
  for (const SpanRecord& span : spans) {
    if (IsFinishedEffect(span) && (before == 0 || span.end_sequence < before)) {
      copy.effects.push_back(span);
    }
  }
  Renumber(copy);
  return copy;
}

absl::Status AddReplaced(TaskCopy& copy, const std::vector<SpanRecord>& spans, int64_t at,
                         const v1::ForkTaskRequest& request) {
  const auto found = std::find_if(spans.begin(), spans.end(), [&](const SpanRecord& span) {
    return span.begin_sequence == at;
  });
  if (found == spans.end()) {
    return Error(Reason::kNotFound, fmt::format("there is no span '{}'", request.name()),
                 {{"name", request.name()}});
  }
  if (!IsFinishedEffect(*found)) {
    return Error(Reason::kInvalidField,
                 fmt::format("'{}' is not the span of an effect that ended: fork at a model call, "
                             "tool call or question",
                             request.name()),
                 {{"field", "name"}});
  }
  if (request.replacement_case() == v1::ForkTaskRequest::REPLACEMENT_NOT_SET) {
    return absl::OkStatus();  // performed anew
  }
  SpanRecord span = *found;
  ASSIGN_OR_RETURN(StoredValue value, ReplacedResult(span, request));
  span.result_hash = value.root;
  span.result_root = std::move(value.root_bytes);
  span.error.clear();
  span.state = SpanState::kOk;
  span.usage = Usage();
  span.attributes["replaced"] = true;
  copy.contents = std::move(value.contents);
  copy.effects.push_back(std::move(span));
  Renumber(copy);
  return absl::OkStatus();
}

}  // namespace troupe
