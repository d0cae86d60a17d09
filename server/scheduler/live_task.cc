#include "server/scheduler/live_task.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>

#include "agents/runtime/task_result.h"
#include "agents/runtime/usage_message.h"
#include "server/scheduler/check_spec.h"
#include "server/scheduler/resource_name.h"
#include "server/store/journal_table.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr absl::Duration kRestPause = absl::Seconds(1);  // between two tries to go to rest

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::StatusOr<std::vector<StoredSpan>> OpenSpans(Connection& connection, const std::string& task) {
  ASSIGN_OR_RETURN(const int64_t key, TaskKey(connection, task));
  SpanQuery open;
  open.where = "s.task = ? AND e.span IS NULL";
  open.numbers = {key};
  return QuerySpans(connection, open);
}

}  // namespace

absl::Status WriteEnd(Connection& connection, const TaskRow& row, int64_t last_sequence,
                      const EntryChain* chain) {
  std::vector<StoredSpan> spans;
  if (chain == nullptr || MayHaveOpenSpans(*chain)) {
    ASSIGN_OR_RETURN(spans, OpenSpans(connection, row.name));
  }
  JournalEntry entry;
  entry.task_id = row.name;
  for (StoredSpan& span : spans) {
    span.record.state = SpanState::kCancelled;
    span.record.end_sequence = ++last_sequence;
    span.record.end_time = row.end_time;
    entry.ended.push_back(std::move(span.record));
  }
  entry.events.push_back({++last_sequence, row.end_time, EventType::kState, "",
                          v1::Task::State_Name(static_cast<v1::Task::State>(row.state))});
  RETURN_IF_ERROR(AppendEntry(connection, entry));
  return UpdateTask(connection, row);
}

BudgetLimits LimitsOf(const v1::Budget& budget) {
  BudgetLimits limits;
  limits.task = {budget.max_model_calls(), budget.max_tool_calls(), budget.max_tokens(),
                 budget.max_cost_microusd()};
  for (const auto& [role, role_budget] : budget.roles()) {
    limits.roles[role] = {role_budget.max_model_calls(), 0, role_budget.max_tokens(),
                          role_budget.max_cost_microusd(),
                          DurationOf(role_budget.max_model_time())};
  }
  return limits;
}

v1::Usage UsageMessage(const Usage& usage) {
  v1::Usage message;
  FillUsage(usage, message);
  return message;
}

LiveTask::LiveTask(RunServices services, Store* store, const TaskKind* kind, TaskRow row,
                   Workspace workspace, asio::any_io_executor strand, absl::Duration rest_after,
                   std::function<void(Ending)> on_end)
    : services_(std::move(services)),
      store_(store),
      kind_(kind),
      workspace_(std::move(workspace)),
      strand_(std::move(strand)),
      rest_after_(rest_after),
      on_end_(std::move(on_end)),
      soft_(hard_.token()),
      row_(std::move(row)),
      rest_timer_(strand_) {}

void LiveTask::Start() {
  asio::post(strand_, [self = shared_from_this()] {
    const bool cancelling = self->row_.state == v1::Task::STATE_CANCELLING;
    if (const absl::Status prepared = self->Prepare(); !prepared.ok()) {
      self->Finish(prepared);
      return;
    }
    asio::co_spawn(self->strand_, self->RunAlgorithm(),
                   [self](std::exception_ptr raised, absl::Status) {
                     if (raised != nullptr) {
                       self->Finish(Error(Reason::kInternal, "the algorithm threw an exception"));
                     }
                   });
    if (cancelling) self->Cancel(CancelReason::kUser, "asked before a restart");
  });
}

absl::Status LiveTask::Prepare() {
  if (!spec_.ParseFromString(row_.spec)) {
    return Error(Reason::kStoreFailed, "the stored spec of the task is damaged");
  }
  std::vector<SpanRecord> recorded;
  int64_t last_sequence = new_last_sequence_;
  if (last_sequence == 0) {
    ASSIGN_OR_RETURN(recorded, store_->LoadSpans(row_.name));
    ASSIGN_OR_RETURN(last_sequence, store_->LastSequence(row_.name));
  }
  RunOptions options;
  options.task_id = row_.name;
  const auto label = row_.labels.find("recording");
  options.label = label == row_.labels.end() ? "" : label->second;
  options.seed = row_.seed;
  options.seed_models = spec_.seed() != 0;
  options.mode = row_.replay_of.empty() ? RunMode::kLive : RunMode::kReplayOnly;
  if (!row_.replay_of.empty()) options.at_end_of_record = EndOfRecord(row_.replay_of);
  options.workspace = workspace_;
  options.limits = LimitsOf(spec_.budget());
  for (const auto& [role, model] : spec_.models()) options.models[role] = model;
  for (const auto& [prompt, version] : spec_.prompts()) options.prompts[prompt] = version;
  ASSIGN_OR_RETURN(PermissionRules rules, PermissionsOf(spec_));
  options.permissions = std::make_shared<const PermissionRules>(std::move(rules));
  options.cancel = soft_.token();
  options.hard_cancel = hard_.token();
  run_ = std::make_shared<TaskRun>(services_, std::move(options), strand_, std::move(recorded),
                                   last_sequence);
  run_->on_questions_changed = [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnQuestionsChanged();
  };
  run_->on_journal_failure = [weak = weak_from_this()] {
    auto self = weak.lock();
    if (self == nullptr || self->run_ == nullptr) return;
    self->hard_.Cancel(CancelReason::kStoreFailed,
                       std::string(MessageOf(self->run_->journal_failure())));
  };
  if (row_.start_time == absl::InfinitePast()) row_.start_time = services_.now();
  if (row_.replay_of.empty()) {
    ArmDeadline(DurationOf(spec_.timeout()), CancelReason::kDeadline, "timeout");
    ArmDeadline(DurationOf(spec_.budget().max_wall_time()), CancelReason::kBudget,
                "budget.max_wall_time");
  }
  if (row_.state != v1::Task::STATE_RUNNING) SetState(v1::Task::STATE_RUNNING);
  return absl::OkStatus();
}

std::function<absl::Status()> LiveTask::EndOfRecord(const std::string& source) {
  TaskRow row;
  const absl::Status found = store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseTaskName(source));
    ASSIGN_OR_RETURN(row, ReadTask(connection, id));
    return absl::OkStatus();
  });
  if (!found.ok()) return nullptr;  // deleted meanwhile
  const absl::Status end = row.error.empty() ? absl::OkStatus() : StatusFromText(row.error);
  const std::string message(MessageOf(end));
  if (row.state == v1::Task::STATE_CANCELLED) {
    return [this, message] {
      hard_.Cancel(CancelReason::kUser, message);
      return hard_.token().status();
    };
  }
  const auto metadata = MetadataOf(end);
  const auto by = metadata.find("cancel_reason");
  if (row.state != v1::Task::STATE_STOPPED || by == metadata.end()) return nullptr;
  const CancelReason reason = by->second == CancelReasonName(CancelReason::kDeadline)
                                  ? CancelReason::kDeadline
                                  : CancelReason::kBudget;
  return [this, reason, message] {
    soft_.Cancel(reason, message);
    return soft_.token().status();
  };
}

void LiveTask::ArmDeadline(absl::Duration limit, CancelReason reason, std::string_view what) {
  if (limit <= absl::ZeroDuration()) return;
  const absl::Duration left = row_.start_time + limit - services_.now();
  auto timer = std::make_unique<asio::steady_timer>(strand_);
  timer->expires_after(absl::ToChronoNanoseconds(std::max(left, absl::ZeroDuration())));
  std::string message =
      fmt::format("the task's {} of {} is over", what, absl::FormatDuration(limit));
  timer->async_wait([weak = weak_from_this(), reason, message](asio::error_code error) {
    auto self = weak.lock();
    if (!error && self != nullptr) self->soft_.Cancel(reason, message);
  });
  timers_.push_back(std::move(timer));
}

AsyncStatus LiveTask::RunAlgorithm() {
  auto self = shared_from_this();
  absl::StatusOr<v1::TaskResult> result = absl::InternalError("not run");
  {
    Scope root = Scope::Root(run_, std::string(kind_->name()), row_.title);
    result = co_await kind_->Run(root, spec_);
    root.End(result.status());
  }
  Finish(result);
  co_return absl::OkStatus();
}

void LiveTask::OnQuestionsChanged() {
  // What is taken back because the task is being stopped is no change of its state.
  if (ended_ || !hard_.token().status().ok()) return;
  if (!early_answers_.empty()) {
    // Behind what the strand does now: the question is not quite pending yet.
    asio::post(strand_, [self = shared_from_this()] { self->DeliverAnswers(); });
  }
  const std::vector<PendingQuestion> pending = run_->Pending();
  const bool all_answered = std::all_of(pending.begin(), pending.end(), [this](const auto& each) {
    return early_answers_.contains(each.path);
  });
  const auto wanted = all_answered ? v1::Task::STATE_RUNNING : v1::Task::STATE_INPUT_REQUIRED;
  if (row_.state != wanted) SetState(wanted);
  RestIn(rest_after_);
}

void LiveTask::DeliverAnswers() {
  if (ended_) return;
  for (const PendingQuestion& pending : run_->Pending()) {
    const auto early = early_answers_.find(pending.path);
    if (early == early_answers_.end()) continue;
    EarlyAnswer given = std::move(early->second);
    early_answers_.erase(early);
    const absl::Status accepted = run_->Answer(pending.path, std::move(given.answer), given.done);
    if (!accepted.ok()) given.done(accepted);
  }
}

void LiveTask::RestIn(absl::Duration time) {
  rest_timer_.cancel();
  if (time == absl::InfiniteDuration() || run_->Pending().empty()) return;
  rest_timer_.expires_after(absl::ToChronoNanoseconds(time));
  rest_timer_.async_wait([weak = weak_from_this()](asio::error_code error) {
    auto self = weak.lock();
    if (!error && self != nullptr) self->Rest();
  });
}

void LiveTask::Rest() {
  if (ended_ || !hard_.token().status().ok() || run_->Pending().empty()) return;
  // One that a limit stops is about to end; one that holds more than memory keeps it.
  const bool may = run_->MayRest() && soft_.token().status().ok() && early_answers_.empty();
  if (!may) return RestIn(std::max(rest_after_, kRestPause));
  resting_ = {row_, run_->Pending(), run_->ledger().spent(), run_->last_sequence()};
  hard_.Cancel(CancelReason::kRest, "the task waits for a person");
}

absl::Duration LiveTask::time_left() const {
  absl::Duration limit = absl::InfiniteDuration();
  for (const absl::Duration each :
       {DurationOf(spec_.timeout()), DurationOf(spec_.budget().max_wall_time())}) {
    if (each > absl::ZeroDuration()) limit = std::min(limit, each);
  }
  return row_.start_time + limit - services_.now();
}

void LiveTask::SetState(v1::Task::State state, std::function<void(absl::Status)> written) {
  row_.state = state;
  row_.update_time = services_.now();
  JournalEntry entry;
  entry.events.push_back(run_->NewEvent(EventType::kState, "", v1::Task::State_Name(state)));
  run_->Append(std::move(entry));
  // The row first: who is woken by the event finds the task in its new state.
  store_->Write([row = row_](Connection& connection) { return UpdateTask(connection, row); },
                std::move(written));
  run_->Flush();
}

void LiveTask::Finish(const absl::StatusOr<v1::TaskResult>& result) {
  if (ended_) return;
  ended_ = true;
  timers_.clear();
  rest_timer_.cancel();
  for (auto& [path, early] : std::exchange(early_answers_, {})) {
    early.done(
        Error(Reason::kQuestionNotPending, "the task did not ask that again", {{"path", path}}));
  }
  if (run_ != nullptr) run_->Flush();
  const absl::Status hard = hard_.token().status();
  const std::string reason = hard.ok() ? "" : MetadataOf(hard).at("cancel_reason");
  if (reason == "shutdown") return on_end_(Ending::kLeft);
  if (GoesToRest() && run_->journal_failure().ok()) return LeaveToRest();
  // What the algorithm made of it is of no account: it is run again from what is recorded.
  const absl::Status unrecorded = run_ == nullptr ? absl::OkStatus() : run_->journal_failure();
  // An entry that the store can never take would be refused again and again.
  if (HasReason(unrecorded, Reason::kStoreFailed)) {
    return Settle(v1::Task::STATE_FAILED, unrecorded, unrecorded);
  }
  if (!unrecorded.ok() || HasReason(result.status(), Reason::kStoreReadOnly)) {
    spdlog::warn("task {}: left until the store takes writes again", row_.name);
    return on_end_(Ending::kStranded);
  }
  if (!hard.ok()) return Settle(v1::Task::STATE_CANCELLED, hard, result);
  if (result.ok()) {
    const bool completed = result->stop_reason() == v1::TaskResult::STOP_REASON_COMPLETED;
    if (completed) return Settle(v1::Task::STATE_SUCCEEDED, absl::OkStatus(), result);
    absl::Status why = soft_.token().status();
    if (why.ok()) why = run_->ledger().refusal();
    if (why.ok()) why = ErrorOf(result->stop_reason());
    return Settle(v1::Task::STATE_STOPPED, why, result);
  }
  const bool limit =
      HasReason(result.status(), Reason::kBudgetExceeded) || !soft_.token().status().ok();
  Settle(limit ? v1::Task::STATE_STOPPED : v1::Task::STATE_FAILED, result.status(), result);
}

void LiveTask::LeaveToRest() {
  // Behind all that this life has queued, which the next one reads.
  store_->Write([](Connection&) { return absl::OkStatus(); },
                [self = shared_from_this()](const absl::Status& written) {
                  const Ending ending = written.ok() ? Ending::kResting : Ending::kStranded;
                  asio::post(self->strand_, [self, ending] { self->on_end_(ending); });
                });
}

void LiveTask::Settle(v1::Task::State state, const absl::Status& error,
                      const absl::StatusOr<v1::TaskResult>& result) {
  row_.state = state;
  row_.end_time = services_.now();
  row_.update_time = row_.end_time;
  if (!error.ok()) row_.error = StatusToText(error);
  if (result.ok()) row_.result = result->SerializeAsString();
  const Usage usage = run_ == nullptr ? Usage() : run_->ledger().spent();
  row_.usage = UsageMessage(usage).SerializeAsString();
  // Without a run, or after entries of it were refused, the record itself says how far it goes.
  const bool known = run_ != nullptr && run_->journal_failure().ok();
  const int64_t last_sequence = known ? run_->last_sequence() : 0;
  const std::shared_ptr<EntryChain> chain = known ? run_->chain() : nullptr;
  store_->Write(
      [row = row_, last_sequence, chain](Connection& connection) -> absl::Status {
        if (chain != nullptr && chain->broken) return BrokenChain(row.name);
        int64_t last = last_sequence;
        if (last == 0) {
          ASSIGN_OR_RETURN(const int64_t key, TaskKey(connection, row.name));
          ASSIGN_OR_RETURN(last, LastSequenceOf(connection, key));
        }
        return WriteEnd(connection, row, last, chain.get());
      },
      [self = shared_from_this()](absl::Status written) {
        if (!written.ok()) {
          spdlog::error("task {}: its end could not be written: {}", self->row_.name,
                        MessageOf(written));
        }
        asio::post(self->strand_, [self, written] { self->on_end_(self->EndingOf(written)); });
      });
}

LiveTask::Ending LiveTask::EndingOf(const absl::Status& written) const {
  if (written.ok()) return Ending::kDone;
  const bool known = run_ == nullptr || run_->journal_failure().ok();
  const absl::Status& why = known ? written : run_->journal_failure();
  return HasReason(why, Reason::kStoreFailed) ? Ending::kLeft : Ending::kStranded;
}

void LiveTask::Cancel(CancelReason reason, std::string message, std::function<void()> noted) {
  asio::post(strand_, [self = shared_from_this(), reason, message = std::move(message),
                       noted = std::move(noted)] {
    const bool first = reason == CancelReason::kUser && !self->cancelled_by_person_;
    if (!self->ended_ && first) self->cancelled_by_person_ = true;
    if (!self->ended_ && first && self->run_ != nullptr) {
      self->SetState(v1::Task::STATE_CANCELLING, [noted](const absl::Status&) {
        if (noted) noted();
      });
    } else if (noted) {
      noted();
    }
    if (!self->ended_) self->hard_.Cancel(reason, message);
  });
}

void LiveTask::Inspect(std::function<void(Snapshot)> done) {
  asio::post(strand_, [self = shared_from_this(), done = std::move(done)] {
    Snapshot snapshot;
    snapshot.row = self->row_;
    if (self->GoesToRest()) {
      snapshot = self->resting_;  // its questions were taken back, and are asked nevertheless
    } else if (self->run_ != nullptr) {
      snapshot.questions = self->run_->Pending();
      snapshot.usage = self->run_->ledger().spent();
      snapshot.last_sequence = self->run_->last_sequence();
    }
    done(std::move(snapshot));
  });
}

void LiveTask::Answer(std::string path, Json answer, std::function<void(absl::Status)> done) {
  asio::post(strand_, [self = shared_from_this(), path = std::move(path),
                       answer = std::move(answer), done = std::move(done)]() mutable {
    if (self->GoesToRest()) return done(absl::AbortedError("the task goes to rest"));
    if (self->run_ == nullptr) {
      return done(Error(Reason::kQuestionNotPending, "the task has not asked anything yet"));
    }
    if (self->WillAskAgain(path)) {
      self->early_answers_[path] = {std::move(answer), std::move(done)};
      return;
    }
    const absl::Status accepted = self->run_->Answer(path, std::move(answer), done);
    if (!accepted.ok()) done(accepted);
  });
}

bool LiveTask::GoesToRest() const {
  const absl::Status hard = hard_.token().status();
  return !hard.ok() &&
         MetadataOf(hard).at("cancel_reason") == CancelReasonName(CancelReason::kRest);
}

bool LiveTask::WillAskAgain(const std::string& path) const {
  const SpanRecord* const asked = run_->Recorded(path);
  if (ended_ || asked == nullptr || asked->end_sequence != 0) return false;
  const std::vector<PendingQuestion> pending = run_->Pending();
  return !early_answers_.contains(path) &&
         std::none_of(pending.begin(), pending.end(),
                      [&](const PendingQuestion& each) { return each.path == path; });
}

}  // namespace troupe
