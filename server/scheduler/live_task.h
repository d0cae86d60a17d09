// LiveTask: one task while it runs, on a strand of its own: it starts (or restarts) the algorithm,
// keeps the task's row and state events in step, watches the deadline, and writes the end.
//
// Thread-safe: every public method may be called from any thread; callbacks run on the strand.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agents/runtime/task_kind.h"
#include "agents/runtime/task_run.h"
#include "server/store/store.h"
#include "server/store/task_row.h"

namespace troupe {

class LiveTask : public std::enable_shared_from_this<LiveTask> {
 public:
  // What is known of a task while it runs.
  struct Snapshot {
    TaskRow row;
    std::vector<PendingQuestion> questions;
    Usage usage;
    int64_t last_sequence = 0;
  };

  // How a life of a task ended.
  enum class Ending {
    kDone,      // the task has ended, durably
    kLeft,      // the server closes, or cannot write its end: it goes on when the server starts
    kStranded,  // the store failed: it goes on from its record when the store takes writes again
    kResting,   // it waits for a person, and goes on from its record when one answers
  };

  // `on_end` is called once, on the strand. A task that has waited for `rest_after` for nothing but
  // a person ends kResting.
  LiveTask(RunServices services, Store* store, const TaskKind* kind, TaskRow row,
           Workspace workspace, asio::any_io_executor strand, absl::Duration rest_after,
           std::function<void(Ending)> on_end);

  // Before Start, of a task that was just accepted: nothing is recorded of it but events up to this
  // one, so that Start need not look.
  void NoteIsNew(int64_t last_sequence) { new_last_sequence_ = last_sequence; }
  // A task whose row says that it is being cancelled is cancelled once it has started.
  void Start();
  // `noted`, if any, is called from any thread when the task is known to be cancelling, durably, or
  // cannot be.
  void Cancel(CancelReason reason, std::string message, std::function<void()> noted = nullptr);
  // Whether a person has asked to cancel it. On the strand.
  bool cancelled_by_person() const { return cancelled_by_person_; }
  // What was known of it when it went to rest, and how long it may wait there. On the strand, once
  // it has ended kResting.
  Snapshot resting() const { return resting_; }
  absl::Duration time_left() const;
  void Inspect(std::function<void(Snapshot)> done);
  // See TaskRun::Answer. `done` when the answer is durable or refused. An answer to a question that
  // an earlier life asked waits until this one asks it again; one that comes while the task goes to
  // rest is kAborted, and is to be given to its next life.
  void Answer(std::string path, Json answer, std::function<void(absl::Status)> done);

 private:
  absl::Status Prepare();
  AsyncStatus RunAlgorithm();
  // What a replay's effects end with where the record of `source` breaks off, because that task was
  // stopped or cancelled there: this one is then stopped alike. Empty if its record is complete.
  std::function<absl::Status()> EndOfRecord(const std::string& source);
  void ArmDeadline(absl::Duration limit, CancelReason reason, std::string_view what);
  void OnQuestionsChanged();
  // Gives the answers that wait for a question to those that are pending now.
  void DeliverAnswers();
  void RestIn(absl::Duration time);
  void Rest();
  void LeaveToRest();
  bool GoesToRest() const;
  // Whether an earlier life asked the question and got no answer, and this one has yet to come to
  // it.
  bool WillAskAgain(const std::string& path) const;
  // Writes the row with a new state and its event; never waits. `written` as of a write to the
  // store.
  void SetState(v1::Task::State state, std::function<void(absl::Status)> written = nullptr);
  void Finish(const absl::StatusOr<v1::TaskResult>& result);
  void Settle(v1::Task::State state, const absl::Status& error,
              const absl::StatusOr<v1::TaskResult>& result);
  // By how the task's last row was written.
  Ending EndingOf(const absl::Status& written) const;

  const RunServices services_;
  Store* const store_;
  const TaskKind* const kind_;
  const Workspace workspace_;
  const asio::any_io_executor strand_;
  const absl::Duration rest_after_;
  const std::function<void(Ending)> on_end_;
  CancelSource hard_;  // by a person or a shutdown
  CancelSource soft_;  // follows hard_; also by deadline and budget

  int64_t new_last_sequence_ = 0;  // 0: the record is to be read

  // On the strand alone.
  TaskRow row_;
  v1::TaskSpec spec_;
  std::shared_ptr<TaskRun> run_;
  std::vector<std::unique_ptr<asio::steady_timer>> timers_;
  asio::steady_timer rest_timer_;
  Snapshot resting_;
  struct EarlyAnswer {
    Json answer;
    std::function<void(absl::Status)> done;
  };
  std::map<std::string, EarlyAnswer> early_answers_;  // by the path of the question
  bool cancelled_by_person_ = false;
  bool ended_ = false;
};

// Ends, in one transaction, the spans of a task that are still open, and writes the task's last row
// and event. `chain` is that of the task's last life, whose entries tell which spans are open;
// null: it is looked up.
absl::Status WriteEnd(Connection& connection, const TaskRow& row, int64_t last_sequence,
                      const EntryChain* chain);

// The runtime's limits out of a budget.
BudgetLimits LimitsOf(const v1::Budget& budget);
v1::Usage UsageMessage(const Usage& usage);

}  // namespace troupe
