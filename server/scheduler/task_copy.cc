#include "server/scheduler/task_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "agents/runtime/question.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

// Gives the spans new sequences, dense from 1, in the order of their beginnings and ends.
void Renumber(TaskCopy& copy) {
  std::vector<int64_t*> sequences;
  for (SpanRecord& span : copy.spans) {
    sequences.push_back(&span.begin_sequence);
    if (span.end_sequence != 0) sequences.push_back(&span.end_sequence);
  }
  std::sort(sequences.begin(), sequences.end(),
            [](const int64_t* a, const int64_t* b) { return *a < *b; });
  copy.last_sequence = 0;
  for (int64_t* sequence : sequences) *sequence = ++copy.last_sequence;
  std::sort(copy.spans.begin(), copy.spans.end(), [](const SpanRecord& a, const SpanRecord& b) {
    return a.begin_sequence < b.begin_sequence;
  });
}

bool HasEnded(const SpanRecord& span) {
  return span.end_sequence != 0 && span.state != SpanState::kCancelled;
}

const SpanRecord* Find(const std::vector<SpanRecord>& spans, int64_t begin_sequence) {
  const auto found = std::find_if(spans.begin(), spans.end(), [&](const SpanRecord& span) {
    return span.begin_sequence == begin_sequence;
  });
  return found == spans.end() ? nullptr : &*found;
}

std::string NameOf(const std::string& task, const SpanRecord& span) {
  return fmt::format("tasks/{}/spans/{}", task, span.begin_sequence);
}

// The moment of a fork in the record: a place in the order of events, and a time.
struct Moment {
  int64_t sequence = std::numeric_limits<int64_t>::max();
  absl::Time time = absl::InfinitePast();
  bool at_end = true;
};

Moment EndOf(const std::vector<SpanRecord>& spans) {
  Moment moment;
  for (const SpanRecord& span : spans) {
    moment.time = std::max(moment.time, span.begin_time);
    if (span.end_sequence != 0) moment.time = std::max(moment.time, span.end_time);
  }
  return moment;
}

// Whether the fork has the span as it ended. At the end of the record, inner spans that failed are
// entered again: the fork, in which a changed request is no failure, may come further.
bool KeepsEnd(const SpanRecord& span, const Moment& moment) {
  if (!HasEnded(span) || span.end_sequence >= moment.sequence) return false;
  if (IsEffect(span.kind) || !moment.at_end) return true;
  return span.state == SpanState::kOk && !span.path.empty();
}

// In a fork of a fork, a span is inherited from where it was performed.
SpanRecord Inherited(const std::string& source, const SpanRecord& span) {
  SpanRecord copy = span;
  if (!copy.attributes.contains(kInheritedFrom)) {
    copy.attributes[kInheritedFrom] = NameOf(source, span);
  }
  return copy;
}

SpanRecord StillOpen(const SpanRecord& span, const Moment& moment, absl::Time now) {
  SpanRecord copy;
  copy.path = span.path;
  copy.kind = span.kind;
  copy.type = span.type;
  copy.title = span.title;
  copy.begin_sequence = span.begin_sequence;
  copy.begin_time = now - (moment.time - span.begin_time);
  return copy;
}

absl::Status WrongCopy(std::string_view field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what),
               {{"field", std::string(field)}});
}

// The replacement as a value, and the field that it came in.
struct Replacement {
  Json value;
  std::string text;  // the same for an agent's eyes
  std::string_view field;
};

absl::StatusOr<Replacement> ReadReplacement(const v1::ForkTaskRequest& request) {
  if (request.replacement_case() == v1::ForkTaskRequest::kText) {
    return Replacement{request.text(), request.text(), "text"};
  }
  auto parsed = ParseJson(request.value_json(), "value_json");
  if (!parsed.ok()) return WrongCopy("value_json", MessageOf(parsed.status()));
  std::string text = PrettyJson(*parsed);
  return Replacement{*std::move(parsed), std::move(text), "value_json"};
}

absl::StatusOr<StoredValue> ReplacedReply(const SpanRecord& span, const Replacement& given) {
  ChatReply reply;
  reply.message = AssistantMessage(given.field == "text" ? given.text : DumpJson(given.value));
  reply.model = span.model;
  return StoreChatReply(reply);
}

absl::StatusOr<StoredValue> ReplacedToolResult(const SpanRecord& span, const Replacement& given,
                                               const ToolRegistry& tools) {
  ToolResult result;
  result.value = given.value;
  result.content.push_back(ToolText{given.text});
  const auto tool = tools.Find(span.tool);
  if (tool.ok() && given.field == "value_json") {
    ASSIGN_OR_RETURN(const JsonSchema schema, JsonSchema::Compile((*tool)->spec().result_schema));
    if (const absl::Status fits = schema.Validate(given.value); !fits.ok()) {
      return WrongCopy("value_json",
                       fmt::format("is no result of {}: {}", span.tool, MessageOf(fits)));
    }
  }
  return StoreToolResult(result);
}

absl::StatusOr<StoredValue> ReplacedAnswer(const SpanRecord& span, const Replacement& given,
                                           const ReadContentFn& read) {
  ASSIGN_OR_RETURN(const Json asked, LoadJson(span.request_hash, ReadOf(span, read)));
  if (const absl::Status fits = CheckAnswer(QuestionOf(asked), given.value); !fits.ok()) {
    return WrongCopy(given.field, MessageOf(fits));
  }
  return StoreJson(given.value);
}

absl::StatusOr<StoredValue> ReplacedResult(const SpanRecord& span, const Replacement& given,
                                           const ReplacementRules& rules) {
  switch (span.kind) {
    case SpanKind::kModelCall:
      return ReplacedReply(span, given);
    case SpanKind::kToolCall:
      return ReplacedToolResult(span, given, *rules.tools);
    case SpanKind::kQuestion:
      return ReplacedAnswer(span, given, rules.read);
    case SpanKind::kValue:
      return StoreJson(given.value);
    case SpanKind::kClock:
      if (!given.value.is_number_integer()) {
        return WrongCopy(given.field, "a time is given in microseconds since 1970, as value_json");
      }
      return StoreJson(given.value);
    default:
      return WrongCopy(
          "name",
          fmt::format(
              "what a {} came to cannot be replaced: only the result of a model call, a "
              "tool call, a question, a value or a reading of the clock can. Without a "
              "replacement the fork goes on from this span",
              span.kind == SpanKind::kSpan ? "span that is no effect" : SpanKindName(span.kind)));
  }
}

}  // namespace

TaskCopy CopyEffects(const std::string& source, const std::vector<SpanRecord>& spans) {
  TaskCopy copy;
  copy.source = source;
  for (const SpanRecord& span : spans) {
    if (IsEffect(span.kind) && HasEnded(span)) copy.spans.push_back(span);
  }
  Renumber(copy);
  return copy;
}

absl::StatusOr<TaskCopy> CopyBefore(const std::string& source, const std::vector<SpanRecord>& spans,
                                    int64_t at, absl::Time now) {
  Moment moment = EndOf(spans);
  if (at != 0) {
    const SpanRecord* first = Find(spans, at);
    if (first == nullptr) {
      const std::string name = fmt::format("tasks/{}/spans/{}", source, at);
      return Error(Reason::kNotFound, fmt::format("there is no span '{}'", name), {{"name", name}});
    }
    moment = {at, first->begin_time, false};
  }
  TaskCopy copy;
  copy.source = source;
  for (const SpanRecord& span : spans) {
    if (KeepsEnd(span, moment)) {
      copy.spans.push_back(Inherited(source, span));
    } else if (!IsEffect(span.kind) && span.begin_sequence < moment.sequence) {
      copy.spans.push_back(StillOpen(span, moment, now));
    }
  }
  Renumber(copy);
  return copy;
}

absl::Status AddReplaced(TaskCopy& copy, const std::vector<SpanRecord>& spans, int64_t at,
                         const v1::ForkTaskRequest& request, const ReplacementRules& rules) {
  const SpanRecord* found = Find(spans, at);
  if (found == nullptr) return WrongCopy("name", "there is no such span");
  ASSIGN_OR_RETURN(const Replacement given, ReadReplacement(request));
  ASSIGN_OR_RETURN(StoredValue value, ReplacedResult(*found, given, rules));
  SpanRecord span = Inherited(copy.source, *found);
  span.attributes[kReplaced] = true;
  span.attributes.erase("is_error");
  span.attributes.erase("attempts");
  span.attributes.erase(kPermission);
  span.result_hash = value.root;
  span.result_root = std::move(value.root_bytes);
  span.error.clear();
  span.state = SpanState::kOk;
  span.usage = Usage();
  if (found->end_sequence == 0) span.end_time = rules.now;
  // Behind all that is kept.
  span.begin_sequence = std::numeric_limits<int64_t>::max() - 1;
  span.end_sequence = std::numeric_limits<int64_t>::max();
  copy.contents = std::move(value.contents);
  copy.spans.push_back(std::move(span));
  Renumber(copy);
  return absl::OkStatus();
}

}  // namespace troupe
