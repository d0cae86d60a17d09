#include "agents/runtime/task_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>

#include "tools/base/defer.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"
#include "tools/base/suspend.h"

namespace troupe {
namespace {

// Beyond this many hashes the run forgets which contents it stored; storing one again is harmless.
constexpr size_t kMaxRememberedContents = 20'000;

// The task in which the first effect of the record was performed.
std::string Origin(const std::vector<SpanRecord>& recorded, const std::string& task_id) {
  const auto first = std::min_element(
      recorded.begin(), recorded.end(), [](const SpanRecord& a, const SpanRecord& b) {
        const bool inherited = a.attributes.contains(kInheritedFrom);
        if (inherited != b.attributes.contains(kInheritedFrom)) return inherited;
        return a.begin_sequence < b.begin_sequence;
      });
  if (first == recorded.end()) return task_id;
  const std::string span = JsonString(first->attributes, kInheritedFrom);
  const size_t begin = span.find('/') + 1;  // "tasks/{task}/spans/{n}"
  return span.empty() ? task_id : span.substr(begin, span.find('/', begin) - begin);
}

template <typename T>
void MoveBehind(std::vector<T>& items, std::vector<T> more) {
  if (items.empty()) {
    items = std::move(more);
  } else {
    std::move(more.begin(), more.end(), std::back_inserter(items));
  }
}

}  // namespace

struct TaskRun::Waiting {
  PendingQuestion question;
  Done<Json> done;
};

TaskRun::TaskRun(RunServices services, RunOptions options, asio::any_io_executor strand,
                 std::vector<SpanRecord> recorded, int64_t last_sequence)
    : services_(std::move(services)),
      options_(std::move(options)),
      strand_(std::move(strand)),
      ledger_(options_.limits),
      tool_seed_(Sha256Prefix(Origin(recorded, options_.task_id))),
      last_sequence_(last_sequence) {
  chain_->first = recorded.empty();
  recorded_.reserve(recorded.size());
  for (SpanRecord& span : recorded) {
    std::string path = span.path;
    recorded_.emplace(std::move(path), std::move(span));
  }
}

const SpanRecord* TaskRun::Recorded(const std::string& path) const {
  const auto found = recorded_.find(path);
  return found == recorded_.end() ? nullptr : &found->second;
}

ReadContentFn TaskRun::reader() const {
  return [journal = services_.journal](const Hash& hash) { return journal->ReadContent(hash); };
}

EventRecord TaskRun::NewEvent(EventType type, std::string path, std::string text) {
  return {NextSequence(), services_.now(), type, std::move(path), std::move(text)};
}

bool TaskRun::IsStored(const Hash& hash) const { return stored_contents_.contains(hash.key()); }

bool TaskRun::NoteStored(const Hash& hash) {
  if (stored_contents_.size() > kMaxRememberedContents) stored_contents_.clear();
  return stored_contents_.insert(hash.key()).second;
}

void TaskRun::Queue(JournalEntry entry) {
  std::erase_if(entry.contents, [&](const Content& content) { return !NoteStored(content.hash); });
  MoveBehind(queued_.contents, std::move(entry.contents));
  MoveBehind(queued_.begun, std::move(entry.begun));
  MoveBehind(queued_.ended, std::move(entry.ended));
  MoveBehind(queued_.events, std::move(entry.events));
}

JournalEntry TaskRun::TakeQueued() {
  JournalEntry taken = std::exchange(queued_, JournalEntry());
  taken.task_id = options_.task_id;
  taken.chain = chain_;
  return taken;
}

void TaskRun::Append(JournalEntry entry) {
  Queue(std::move(entry));
  if (std::exchange(flush_posted_, true)) return;
  // Behind what the strand does now, which often appends more.
  Defer(strand_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->Flush();
  });
}

void TaskRun::Flush() {
  if (queued_.empty()) return;
  services_.journal->Append(TakeQueued(), [weak = weak_from_this()](const absl::Status& written) {
    if (written.ok()) return;
    auto run = weak.lock();
    if (run == nullptr) return;
    const asio::any_io_executor strand = run->strand_;
    asio::post(strand, [run = std::move(run), written] { run->NoteJournalFailure(written); });
  });
}

void TaskRun::NoteJournalFailure(const absl::Status& failure) {
  if (!journal_failure_.ok()) return;
  journal_failure_ = failure;
  if (on_journal_failure) on_journal_failure();
}

AsyncStatus TaskRun::AppendDurably(JournalEntry entry) {
  Queue(std::move(entry));
  JournalEntry queued = TakeQueued();
  auto durable = co_await Suspend<bool>([&](Done<bool> done) {
    services_.journal->AppendHere(std::move(queued), [done = std::move(done)](absl::Status status) {
      if (status.ok()) {
        done(true);
      } else {
        done(std::move(status));
      }
    });
  });
  if (!durable.ok()) NoteJournalFailure(durable.status());
  co_return durable.status();
}

Verdict TaskRun::JudgeCall(const ToolSpec& tool, std::string_view role,
                           const Json& arguments) const {
  static const PermissionPolicy kNoPolicy;
  static const PermissionRules kNoRules;
  const PermissionPolicy& policy =
      services_.permissions == nullptr ? kNoPolicy : *services_.permissions;
  const PermissionRules& rules = options_.permissions == nullptr ? kNoRules : *options_.permissions;
  return Judge(policy, rules, tool, role, arguments);
}

bool TaskRun::HasGrant(std::string_view tool, std::string_view version, const Json& arguments) {
  if (!std::exchange(grants_loaded_, true)) LoadGrants();
  return std::any_of(grants_.begin(), grants_.end(),
                     [&](const Grant& grant) { return grant.Covers(tool, version, arguments); });
}

void TaskRun::LoadGrants() {
  for (const auto& [path, span] : recorded_) {
    const bool answered = span.kind == SpanKind::kQuestion && span.type == kApprovalType &&
                          span.end_sequence != 0 && !span.result_hash.empty();
    if (!answered) continue;
    const ReadContentFn read = ReadOf(span, reader());
    const auto request = LoadJson(span.request_hash, read);
    const auto answer = LoadJson(span.result_hash, read);
    if (!request.ok() || !answer.ok()) continue;  // whoever needs the answer says what is wrong
    auto grant = GrantOf(QuestionOf(*request), *answer);
    if (grant.has_value()) grants_.push_back(*std::move(grant));
  }
}

absl::Status TaskRun::ClaimPath(const std::string& path) {
  if (claimed_.insert(path).second) return absl::OkStatus();
  return Error(Reason::kInternal,
               fmt::format("the algorithm used the path '{}' twice: every span and effect needs a "
                           "name of its own within its parent",
                           path),
               {{"path", path}});
}

std::shared_ptr<void> TaskRun::BeginCall() {
  ++calls_under_way_;
  return {static_cast<void*>(nullptr),
          [self = shared_from_this()](void*) { --self->calls_under_way_; }};
}

bool TaskRun::MayRest() const {
  return !questions_.empty() && calls_under_way_ == 0 && !holds_state_;
}

std::vector<PendingQuestion> TaskRun::Pending() const {
  std::vector<PendingQuestion> pending;
  for (const auto& [path, waiting] : questions_) pending.push_back(waiting->question);
  return pending;
}

Async<Json> TaskRun::WaitForAnswer(PendingQuestion question) {
  auto self = shared_from_this();
  const std::string path = question.path;
  auto waiting = std::make_shared<Waiting>();
  waiting->question = std::move(question);
  questions_[path] = waiting;
  // The cancelling thread is any; the question is taken back on the strand.
  auto registration = options_.cancel.OnCancel([weak = weak_from_this(), strand = strand_, path] {
    asio::post(strand, [weak, path] {
      auto run = weak.lock();
      if (run == nullptr) return;
      const auto found = run->questions_.find(path);
      if (found == run->questions_.end()) return;
      auto waiting = found->second;
      run->questions_.erase(found);
      if (waiting->done) waiting->done(run->options_.cancel.status());
    });
  });
  if (on_questions_changed) on_questions_changed();
  Waiting* const to_wake = waiting.get();
  auto answer = co_await Suspend<Json>([to_wake](Done<Json> done) { to_wake->done = done; });
  if (on_questions_changed) on_questions_changed();
  co_return answer;
}

absl::Status TaskRun::Answer(const std::string& path, Json answer,
                             std::function<void(absl::Status)> durable) {
  const auto found = questions_.find(path);
  if (found == questions_.end()) {
    return Error(Reason::kQuestionNotPending,
                 "the question is not waiting for an answer: it was answered, or its task ended",
                 {{"path", path}});
  }
  RETURN_IF_ERROR(CheckAnswer(found->second->question.question, answer));
  auto waiting = found->second;
  questions_.erase(found);
  acknowledgements_[path] = std::move(durable);
  waiting->done(std::move(answer));
  return absl::OkStatus();
}

void TaskRun::AcknowledgeAnswer(const std::string& path, const absl::Status& status) {
  const auto found = acknowledgements_.find(path);
  if (found == acknowledgements_.end()) return;
  auto acknowledge = std::move(found->second);
  acknowledgements_.erase(found);
  if (acknowledge) acknowledge(status);
}

}  // namespace troupe
