#include "agents/runtime/scope.h"

#include <fmt/format.h>

#include "agents/runtime/scope_node.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kDivergenceExcerpt = 1500;

SpanState StateOf(const absl::Status& status) {
  if (status.ok()) return SpanState::kOk;
  return status.code() == absl::StatusCode::kCancelled ? SpanState::kCancelled : SpanState::kError;
}

std::string Excerpt(const std::string& text, size_t from) {
  const size_t begin = from > kDivergenceExcerpt / 3 ? from - kDivergenceExcerpt / 3 : 0;
  return text.substr(begin, kDivergenceExcerpt);
}

// Both requests from the place where they begin to differ.
absl::Status Divergence(const SpanRecord& recorded, const StoredValue& request,
                        const ReadContentFn& read) {
  const ReadContentFn read_new = [&](const std::string& hash) -> absl::StatusOr<std::string> {
    if (hash == request.root && !request.root_bytes.empty()) return request.root_bytes;
    for (const Content& content : request.contents) {
      if (content.hash == hash) return content.bytes;
    }
    return read(hash);
  };
  const auto text_of = [](const absl::StatusOr<Json>& value) {
    return value.ok() ? PrettyJson(*value) : std::string("(not readable)");
  };
  const std::string before =
      text_of(ExpandForReading(recorded.request_hash, ReadOf(recorded, read), false));
  const std::string now = text_of(ExpandForReading(request.root, read_new, false));
  size_t same = 0;
  while (same < before.size() && same < now.size() && before[same] == now[same]) ++same;
  const std::string recorded_part = Excerpt(before, same);
  const std::string new_part = Excerpt(now, same);
  return Error(
      Reason::kDivergence,
      fmt::format("the task does not repeat its record at '{}': its code, a prompt or a "
                  "setting changed since. Fork the task before this span to go on under the new "
                  "behaviour. Recorded request, from the difference:\n{}\nNew request:\n{}",
                  recorded.path, recorded_part, new_part),
      {{"path", recorded.path},
       {"recorded_request", recorded_part},
       {"new_request", new_part},
       {"recorded_request_sha256", recorded.request_hash},
       {"new_request_sha256", request.root}});
}

}  // namespace

Scope Scope::Root(std::shared_ptr<TaskRun> run, std::string type, std::string title) {
  auto node = std::make_shared<Node>();
  node->run = std::move(run);
  node->record.type = std::move(type);
  node->record.title = std::move(title);
  if (const SpanRecord* recorded = node->run->Recorded(""); recorded != nullptr) {
    node->record.begin_sequence = recorded->begin_sequence;
    node->record.begin_time = recorded->begin_time;
    node->recorded_end = recorded->end_sequence != 0;
  } else {
    JournalEntry entry = node->run->NewEntry();
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

const PromptSource& Scope::prompts() const { return *node_->run->services().prompts; }

absl::StatusOr<ToolDeclaration> Scope::Declare(std::string_view tool) const {
  ASSIGN_OR_RETURN(const Tool* found, node_->run->services().tools->Find(tool));
  const ToolSpec& spec = found->spec();
  return ToolDeclaration{spec.name, spec.description, spec.arguments_schema};
}

bool Scope::CanSeeImages(std::string_view role) const {
  const auto model = node_->run->services().models->ForRole(role, options().ModelFor(role));
  return model.ok() && (*model)->capabilities().images;
}

const CancelToken& Scope::cancel_token() const {
  return closing_ ? options().hard_cancel : options().cancel;
}

absl::Status Scope::cancelled() const { return cancel_token().status(); }

Scope Scope::Open(std::string type, std::string name, std::string title) const {
  TaskRun& run = *node_->run;
  auto node = std::make_shared<Node>();
  node->run = node_->run;
  node->parent = node_;
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
    JournalEntry entry = run.NewEntry();
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
  // A task that is being stopped will open this span again when it goes on.
  if (node.recorded_end || (!status.ok() && cancel_token().cancelled())) return;
  node.record.state = StateOf(status);
  if (!status.ok()) node.record.error = StatusToText(status);
  node.record.end_sequence = node.run->NextSequence();
  node.record.end_time = node.run->services().now();
  JournalEntry entry = node.run->NewEntry();
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
  JournalEntry entry = node_->run->NewEntry();
  entry.events.push_back(node_->run->NewEvent(EventType::kProgress, path(), std::move(text)));
  node_->run->Append(std::move(entry));
}

uint64_t Scope::Random(std::string_view name) const {
  return Sha256Prefix(fmt::format("{}\n{}\n{}", options().seed, path(), name));
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

absl::StatusOr<Scope::Effect> Scope::FindEffect(SpanRecord draft, const std::string& name,
                                                StoredValue request) const {
  TaskRun& run = *node_->run;
  Effect effect;
  draft.path = node_->ChildPath(name);
  draft.request_hash = request.root;
  draft.request_root = request.root_bytes;
  RETURN_IF_ERROR(run.ClaimPath(draft.path));
  const SpanRecord* recorded = run.Recorded(draft.path);
  const bool finished = recorded != nullptr && recorded->end_sequence != 0 &&
                        recorded->state != SpanState::kCancelled;
  if (recorded != nullptr && recorded->request_hash != request.root &&
      (finished || draft.kind == SpanKind::kToolCall)) {
    return Divergence(*recorded, request, run.reader());
  }
  if (finished) {
    for (const Content& content : request.contents) run.NoteStored(content.hash);
    effect.finished = true;
    effect.record = *recorded;
    AddUsage(recorded->usage);
    run.ledger().Charge(draft.role, recorded->usage);
    if (!recorded->error.empty()) {
      const absl::Status outcome = StatusFromText(recorded->error);
      if (HasReason(outcome, Reason::kBudgetExceeded)) run.ledger().NoteRefusal(outcome);
    }
    return effect;
  }
  if (run.options().mode == RunMode::kReplayOnly) {
    return Error(Reason::kReplayMissing,
                 fmt::format("the record ends before '{}': a replay performs nothing", draft.path),
                 {{"path", draft.path}});
  }
  if (recorded != nullptr) {
    effect.interrupted = true;
    draft.begin_sequence = recorded->begin_sequence;
    draft.begin_time = recorded->begin_time;
  }
  effect.record = std::move(draft);
  effect.request_contents = std::move(request.contents);
  return effect;
}

JournalEntry Scope::BeginEntry(Effect& effect) const {
  JournalEntry entry = node_->run->NewEntry();
  if (effect.interrupted) return entry;
  effect.record.begin_sequence = node_->run->NextSequence();
  effect.record.begin_time = node_->run->services().now();
  entry.begun.push_back(effect.record);
  entry.contents = std::move(effect.request_contents);
  return entry;
}

AsyncStatus Scope::FinishEffect(Effect effect, StoredValue result, absl::Status outcome,
                                Usage usage) const {
  TaskRun& run = *node_->run;
  SpanRecord& record = effect.record;
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
  JournalEntry entry = run.NewEntry();
  entry.contents = std::move(result.contents);
  if (effect.interrupted) {
    for (Content& content : effect.request_contents) entry.contents.push_back(std::move(content));
  }
  entry.ended.push_back(std::move(record));
  CO_RETURN_IF_ERROR(co_await run.AppendDurably(std::move(entry)));
  AddUsage(usage);
  co_return outcome;
}

AsyncStatus Scope::FailEffect(Effect effect, absl::Status outcome, Usage usage) const {
  StoredValue nothing;
  co_return co_await FinishEffect(std::move(effect), std::move(nothing), std::move(outcome),
                                  std::move(usage));
}

}  // namespace troupe
