// The effects that record a small value: a person's answer, the time, an order of completion, a
// random draw.
#include <fmt/format.h>

#include <cstdlib>

#include "agents/runtime/approval.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/scope_node.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
Async<Json> Scope::Ask(std::string name, Question question) const {
  TaskRun& run = *node_->run;
  SpanRecord draft;
  draft.kind = SpanKind::kQuestion;
  const bool approval = question.kind == QuestionKind::kApproval;
  draft.type = approval ? kApprovalType : "question";
  draft.title = question.prompt.substr(0, question.prompt.find('\n'));
  const Json request = QuestionJson(question);
  CO_ASSIGN_OR_RETURN(EffectPtr effect, FindEffect(std::move(draft), name, StoreJson(request)));
  if (effect->finished) {
    if (!effect->record.error.empty()) co_return StatusFromText(effect->record.error);
    co_return LoadJson(effect->record.result_hash, ReadOf(effect->record, run.reader()));
  }
  CO_RETURN_IF_ERROR(cancelled());
  const bool asked_before = effect->interrupted;
  JournalEntry begin = BeginEntry(*effect);
  if (!asked_before) {
    begin.events.push_back(run.NewEvent(
        EventType::kQuestion, std::to_string(effect->record.begin_sequence), question.prompt));
    CO_RETURN_IF_ERROR(co_await run.AppendDurably(std::move(begin)));
  }
  const std::string path = effect->record.path;
  const std::string sequence = std::to_string(effect->record.begin_sequence);
  PendingQuestion pending{path, effect->record.begin_sequence, std::move(question),
                          effect->record.begin_time};
  CO_ASSIGN_OR_RETURN(Json answer, co_await run.WaitForAnswer(std::move(pending)));
  effect->record.search_text = DumpJson(answer);
  if (approval) {
    effect->record.attributes[kPermission] = ApprovalName(ParseApproval(answer).decision);
  }
  const absl::Status recorded =
      co_await FinishEffect(std::move(effect), StoreJson(answer), absl::OkStatus(), Usage());
  run.AcknowledgeAnswer(path, recorded);
  CO_RETURN_IF_ERROR(recorded);
  JournalEntry answered;
  answered.events.push_back(run.NewEvent(EventType::kAnswer, sequence, DumpJson(answer)));
  run.Append(std::move(answered));
  co_return answer;
}

Async<absl::Time> Scope::Now(std::string name) const {
  CO_ASSIGN_OR_RETURN(const Json recorded, RecallValue(name, SpanKind::kClock));
  if (recorded.is_number_integer()) co_return absl::FromUnixMicros(recorded.get<int64_t>());
  const absl::Time now = absl::FromUnixMicros(absl::ToUnixMicros(node_->run->services().now()));
  CO_RETURN_IF_ERROR(co_await RecordValue(name, SpanKind::kClock, absl::ToUnixMicros(now)));
  co_return now;
}

Async<Json> Scope::Fix(std::string name, Json value) const {
  CO_ASSIGN_OR_RETURN(Json recorded, RecallValue(name, SpanKind::kValue));
  if (!recorded.is_null()) co_return recorded;
  CO_RETURN_IF_ERROR(co_await RecordValue(std::move(name), SpanKind::kValue, value));
  co_return value;
}

uint64_t Scope::Random(std::string_view name) const {
  TaskRun& run = *node_->run;
  const std::string path = node_->ChildPath(std::string(name));
  const bool first = run.ClaimPath(path).ok();
  if (const SpanRecord* recorded = run.Recorded(path);
      recorded != nullptr && recorded->kind == SpanKind::kRandom) {
    const std::string drawn = JsonString(recorded->attributes, kDrawnValue);
    return std::strtoull(drawn.c_str(), nullptr, 10);
  }
  const uint64_t bits = Sha256Prefix(fmt::format("{}\n{}\n{}", options().seed, this->path(), name));
  if (!first) return bits;
  // Recorded for a fork with another seed, which keeps what was drawn before it. Nothing waits for
  // the record: whatever follows from the draw is written behind it.
  SpanRecord draw;
  draw.path = path;
  draw.kind = SpanKind::kRandom;
  draw.type = std::string(SpanKindName(SpanKind::kRandom));
  draw.title = std::string(name);
  draw.state = SpanState::kOk;
  draw.begin_sequence = run.NextSequence();
  draw.end_sequence = run.NextSequence();
  draw.begin_time = draw.end_time = run.services().now();
  draw.attributes[kDrawnValue] = std::to_string(bits);
  JournalEntry entry;
  entry.begun.push_back(draw);
  entry.ended.push_back(std::move(draw));
  run.Append(std::move(entry));
  return bits;
}

absl::StatusOr<Json> Scope::RecallValue(const std::string& name, SpanKind kind) const {
  TaskRun& run = *node_->run;
  const std::string path = node_->ChildPath(name);
  const SpanRecord* recorded = run.Recorded(path);
  if (recorded == nullptr || recorded->end_sequence == 0) return Json();
  if (recorded->kind != kind) {
    return Error(Reason::kDivergence,
                 fmt::format("the record has a {} at '{}' where the task now has a {}",
                             SpanKindName(recorded->kind), path, SpanKindName(kind)),
                 {{"path", path}});
  }
  RETURN_IF_ERROR(run.ClaimPath(path));
  return LoadJson(recorded->result_hash, ReadOf(*recorded, run.reader()));
}

AsyncStatus Scope::RecordValue(std::string name, SpanKind kind, Json value) const {
  SpanRecord draft;
  draft.kind = kind;
  draft.type = std::string(SpanKindName(kind));
  draft.title = name;
  CO_ASSIGN_OR_RETURN(EffectPtr effect,
                      FindEffect(std::move(draft), name, StoreJson(Json::object())));
  JournalEntry entry = BeginEntry(*effect);
  node_->run->Append(std::move(entry));
  co_return co_await FinishEffect(std::move(effect), StoreJson(value), absl::OkStatus(), Usage());
}

}  // namespace troupe
