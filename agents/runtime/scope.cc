#include "agents/runtime/scope.h"

#include <fmt/format.h>

#include "agents/runtime/scope_node.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/text_diff.h"
#include "tools/room.h"

namespace troupe {
namespace {

// How much of a divergence its error shows to people, and keeps of each request for machines.
constexpr DiffLayout kDivergenceLayout{.context = 2, .max_lines = 40, .max_width = 120};
constexpr size_t kDivergenceBytes = 4000;

SpanState StateOf(const absl::Status& status) {
  if (status.ok()) return SpanState::kOk;
  return status.code() == absl::StatusCode::kCancelled ? SpanState::kCancelled : SpanState::kError;
}

// Both requests from the first line that differs on.
absl::Status Divergence(const std::string& task_id, const SpanRecord& recorded,
                        const StoredValue& request, const ReadContentFn& read) {
  const ReadContentFn read_new = [&](const Hash& hash) -> absl::StatusOr<std::string> {
    if (hash == request.root && !request.root_bytes.empty()) return request.root_bytes;
    for (const Content& content : request.contents) {
      if (content.hash == hash) return content.bytes;
    }
    return read(hash);
  };
  const auto readable = [](const absl::StatusOr<Json>& value) {
    return value.ok() ? *value : Json("(not readable)");
  };
  const Json before =
      readable(ExpandForReading(recorded.request_hash, ReadOf(recorded, read), false));
  const Json now = readable(ExpandForReading(request.root, read_new, false));
  const std::string diff =
      UnifiedJsonDiff(before, now, "the recorded request", "the new request", kDivergenceLayout);
  return Error(
      Reason::kDivergence,
      fmt::format("the task does not repeat its record at '{}': its code, a prompt or a setting "
                  "changed since. Fork the task at this span or before it (troupe fork "
                  "tasks/{}/spans/{}) to go on with what is new.\n{}",
                  recorded.path, task_id, recorded.begin_sequence, diff),
      {{"path", recorded.path},
       {"span", fmt::format("tasks/{}/spans/{}", task_id, recorded.begin_sequence)},
       {"diff", TruncateUtf8(diff, kDivergenceBytes)},
       {"recorded_request", TruncateUtf8(DumpJson(before), kDivergenceBytes)},
       {"new_request", TruncateUtf8(DumpJson(now), kDivergenceBytes)},
       {"recorded_request_sha256", recorded.request_hash.hex()},
       {"new_request_sha256", request.root.hex()}});
}

}  // namespace

Scope Scope::Root(std::shared_ptr<TaskRun> run, std::string type, std::string title) {
  auto node = std::make_shared<Node>();
  node->run = std::move(run);
  // The services outlive the run.
  node->prompts = {std::shared_ptr<const PromptSource>(), node->run->services().prompts};
  node->record.type = std::move(type);
  node->record.title = std::move(title);
  if (const SpanRecord* recorded = node->run->Recorded(""); recorded != nullptr) {
    node->record.begin_sequence = recorded->begin_sequence;
    node->record.begin_time = recorded->begin_time;
    node->recorded_end = recorded->end_sequence != 0;
  } else {
    JournalEntry entry;
    node->record.begin_sequence = node->run->NextSequence();
    node->record.begin_time = node->run->services().now();
    entry.begun.push_back(node->record);
    node->run->Append(std::move(entry));
  }
  return Scope(std::move(node), true);
}

Scope::~Scope() {
  if (node_ != nullptr && owner_) End(absl::CancelledError("left before its end"));
}

const std::string& Scope::path() const { return node_->record.path; }
const RunOptions& Scope::options() const { return node_->run->options(); }

const std::shared_ptr<const PromptSource>& Scope::prompts() const { return node_->prompts; }

void Scope::UsePrompts(std::shared_ptr<const PromptSource> prompts) {
  node_->prompts = std::move(prompts);
}

bool Scope::CanSeeImages(std::string_view role) const {
  const auto model = node_->run->services().models->ForRole(role, options().ModelFor(role));
  return model.ok() && (*model)->capabilities().images;
}

absl::StatusOr<std::shared_ptr<const ToolSpec>> Scope::ToolNamed(std::string_view tool) const {
  ASSIGN_OR_RETURN(std::shared_ptr<Tool> found, node_->run->services().tools->Find(tool));
  const ToolSpec* const spec = &found->spec();
  return std::shared_ptr<const ToolSpec>(std::move(found), spec);
}

std::vector<std::shared_ptr<const ToolSpec>> Scope::Tools() const {
  return node_->run->services().tools->List();
}

absl::StatusOr<ModelCapabilities> Scope::CapabilitiesOf(std::string_view role) const {
  ASSIGN_OR_RETURN(const ChatModel* model,
                   node_->run->services().models->ForRole(role, options().ModelFor(role)));
  return model->capabilities();
}

absl::StatusOr<int64_t> Scope::MaxReplyTokens(std::string_view role) const {
  ASSIGN_OR_RETURN(const ChatModel* model,
                   node_->run->services().models->ForRole(role, options().ModelFor(role)));
  return model->Estimate(ChatRequest()).max_output_tokens;
}

BudgetLeft Scope::Left(const std::string& role) const {
  return node_->budget_hidden ? BudgetLeft() : node_->run->ledger().Left(role);
}

void Scope::HideBudgetLeft() { node_->budget_hidden = true; }

void Scope::UseRoom() {
  node_->room = RoomName(path());
  node_->owns_room = true;
}

const std::string& Scope::room() const { return node_->room; }

void Scope::LeaveRoom() const {
  if (node_->owns_room) {
    node_->run->services().tools->ForgetRoom(options().task_id, node_->room);
  }
}

const Usage& Scope::usage() const { return node_->record.usage; }

Usage Scope::SpentBy(const std::string& role) const { return node_->run->ledger().spent_by(role); }

const CancelToken& Scope::cancel_token() const {
  return closing_ ? options().hard_cancel : options().cancel;
}

absl::Status Scope::cancelled() const { return cancel_token().status(); }

Scope Scope::Open(std::string type, std::string name, std::string title) const {
  TaskRun& run = *node_->run;
  auto node = std::make_shared<Node>();
  node->run = node_->run;
  node->parent = node_;
  node->prompts = node_->prompts;
  node->budget_hidden = node_->budget_hidden;
  node->room = node_->room;
  node->record.path = node_->ChildPath(name);
  node->record.type = std::move(type);
  node->record.title = std::move(title);
  // A name used twice shows when the second span's effects claim their paths.
  if (const SpanRecord* recorded = run.Recorded(node->record.path); recorded != nullptr) {
    node->record.begin_sequence = recorded->begin_sequence;
    node->record.begin_time = recorded->begin_time;
    node->recorded_end = recorded->end_sequence != 0;
  } else {
    node->record.begin_sequence = run.NextSequence();
    node->record.begin_time = run.services().now();
    JournalEntry entry;
    entry.begun.push_back(node->record);
    run.Append(std::move(entry));
  }
  Scope child(std::move(node), true);
  child.closing_ = closing_;
  return child;
}

void Scope::End(const absl::Status& status) {
  Node& node = *node_;
  if (node.ended) return;
  node.ended = true;
  LeaveRoom();
  // A task that is being stopped will open this span again when it goes on.
  if (node.recorded_end || (!status.ok() && cancel_token().cancelled())) return;
  node.record.state = StateOf(status);
  if (!status.ok()) node.record.error = StatusToText(status);
  node.record.end_sequence = node.run->NextSequence();
  node.record.end_time = node.run->services().now();
  JournalEntry entry;
  entry.ended.push_back(node.record);
  node.run->Append(std::move(entry));
}

void Scope::Note(std::string key, Json value) {
  node_->record.attributes[std::move(key)] = std::move(value);
}

void Scope::Progress(std::string text) const {
  // While the task repeats what is recorded, watchers have seen the line already.
  if (const SpanRecord* recorded = node_->run->Recorded(path());
      recorded != nullptr && recorded->end_sequence != 0) {
    return;
  }
  JournalEntry entry;
  entry.events.push_back(node_->run->NewEvent(EventType::kProgress, path(), std::move(text)));
  node_->run->Append(std::move(entry));
}

Scope Scope::ForClosing() const {
  Scope closing(node_, /*owner=*/false);
  closing.closing_ = true;
  return closing;
}

void Scope::AddUsage(const Usage& usage) const {
  for (Node* node = node_.get(); node != nullptr; node = node->parent.get()) {
    node->record.usage += usage;
  }
}

absl::Status Scope::CheckRepeats(const SpanRecord& recorded, const SpanRecord& draft,
                                 const StoredValue& request, bool finished) const {
  const TaskRun& run = *node_->run;
  const bool same_kind = recorded.kind == draft.kind && recorded.tool == draft.tool;
  const bool same_request = recorded.request_hash == request.root;
  if (same_kind && same_request) return absl::OkStatus();
  // What a fork inherited stands as it is, unless its result is of another kind.
  if (same_kind && recorded.attributes.contains(kInheritedFrom)) return absl::OkStatus();
  // A model call that did not finish is simply made, as it is asked now.
  if (same_kind && !finished && draft.kind != SpanKind::kToolCall) return absl::OkStatus();
  return Divergence(run.options().task_id, recorded, request, run.reader());
}

void Scope::NoteRequestDiffers(const SpanRecord& recorded) const {
  if (recorded.attributes.contains(kRequestDiffers)) return;
  SpanRecord noted = recorded;
  noted.attributes[kRequestDiffers] = true;
  JournalEntry entry;
  entry.ended.push_back(std::move(noted));
  node_->run->Append(std::move(entry));
}

absl::StatusOr<Scope::EffectPtr> Scope::FindEffect(SpanRecord draft, const std::string& name,
                                                   StoredValue request) const {
  TaskRun& run = *node_->run;
  auto effect = std::make_unique<Effect>();
  effect->name = name;
  draft.path = node_->ChildPath(name);
  draft.request_hash = request.root;
  draft.request_root = request.root_bytes;
  RETURN_IF_ERROR(run.ClaimPath(draft.path));
  const SpanRecord* recorded = run.Recorded(draft.path);
  const bool finished = recorded != nullptr && recorded->end_sequence != 0 &&
                        recorded->state != SpanState::kCancelled;
  if (recorded != nullptr) RETURN_IF_ERROR(CheckRepeats(*recorded, draft, request, finished));
  if (finished) {
    if (recorded->request_hash == request.root) {
      for (const Content& content : request.contents) run.NoteStored(content.hash);
    } else {
      NoteRequestDiffers(*recorded);
    }
    effect->finished = true;
    effect->record = *recorded;
    AddUsage(recorded->usage);
    run.ledger().Charge(draft.role, recorded->usage);
    if (!recorded->error.empty()) {
      const absl::Status outcome = StatusFromText(recorded->error);
      if (HasReason(outcome, Reason::kBudgetExceeded)) run.ledger().NoteRefusal(outcome);
    }
    return effect;
  }
  if (run.options().mode == RunMode::kReplayOnly) {
    if (run.options().at_end_of_record) return run.options().at_end_of_record();
    return Error(Reason::kReplayMissing,
                 fmt::format("the record ends before '{}': a replay performs nothing", draft.path),
                 {{"path", draft.path}});
  }
  if (recorded != nullptr) {
    effect->interrupted = true;
    draft.begin_sequence = recorded->begin_sequence;
    draft.begin_time = recorded->begin_time;
  }
  effect->record = std::move(draft);
  effect->request_contents = std::move(request.contents);
  return effect;
}

JournalEntry Scope::BeginEntry(Effect& effect) const {
  JournalEntry entry;
  if (effect.interrupted) return entry;
  effect.record.begin_sequence = node_->run->NextSequence();
  effect.record.begin_time = node_->run->services().now();
  entry.begun.push_back(effect.record);
  entry.contents = std::move(effect.request_contents);
  return entry;
}

AsyncStatus Scope::FinishEffect(EffectPtr effect, StoredValue result, absl::Status outcome,
                                Usage usage) const {
  TaskRun& run = *node_->run;
  SpanRecord& record = effect->record;
  record.state = StateOf(outcome);
  if (outcome.ok()) {
    record.result_hash = result.root;
    record.result_root = std::move(result.root_bytes);
  } else {
    record.error = StatusToText(outcome);
  }
  record.usage = usage;
  record.end_sequence = run.NextSequence();
  record.end_time = run.services().now();
  JournalEntry entry;
  entry.contents = std::move(result.contents);
  if (effect->interrupted) {
    for (Content& content : effect->request_contents) entry.contents.push_back(std::move(content));
  }
  entry.ended.push_back(std::move(record));
  CO_RETURN_IF_ERROR(co_await run.AppendDurably(std::move(entry)));
  AddUsage(usage);
  co_return outcome;
}

AsyncStatus Scope::FailEffect(EffectPtr effect, absl::Status outcome, Usage usage) const {
  StoredValue nothing;
  co_return co_await FinishEffect(std::move(effect), std::move(nothing), std::move(outcome),
                                  std::move(usage));
}

}  // namespace troupe
