// TaskManager: all tasks of the server: accepts them, runs them, resumes the unfinished ones after
// a restart, and carries out what clients ask of them.
//
// Thread-safe. Methods that write block until the change is durable: call them from threads that
// may wait, never from a task's strand.
#pragma once

#include <absl/base/thread_annotations.h>

#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agents/prompts/prompt_library.h"
#include "agents/runtime/task_kind.h"
#include "server/scheduler/event_hub.h"
#include "server/scheduler/live_task.h"
#include "server/scheduler/resource_name.h"
#include "server/scheduler/task_copy.h"
#include "server/scheduler/task_folders.h"
#include "server/store/store.h"
#include "tools/base/mutex.h"
#include "troupe/v1/task_service.pb.h"

namespace troupe {

struct TaskManagerOptions {
  std::filesystem::path data_folder;  // tasks/{task}/ is made below it
  int threads = 2;
  size_t max_running = 20'000;   // tasks at work at once; more wait
  size_t max_pending = 100'000;  // tasks that wait, or rest; more are refused
  // How long a task that waits for nothing but a person is kept as it is; then it rests: it costs
  // no more than its questions, and goes on from its record when one is answered.
  absl::Duration rest_after = absl::Seconds(30);
  std::vector<std::filesystem::path> allowed_input_folders;
  absl::Duration retention = absl::InfiniteDuration();  // of ended tasks
};

class TaskManager {
 public:
  TaskManager(TaskManagerOptions options, RunServices services, Store* store,
              std::vector<std::unique_ptr<TaskKind>> kinds);
  // Stops all tasks where they are; they go on when the server starts again.
  ~TaskManager();

  // On which tasks run. Whatever else uses it is to be done with it before the manager goes.
  asio::any_io_executor executor() { return threads_.get_executor(); }

  // Takes up what an earlier life of the server left: its unfinished tasks wait from now on. To be
  // called before the first request of a client, which might else meet a task that is not known
  // yet.
  absl::Status Recover();
  // Starts the tasks that wait, as many as may run.
  void Resume();
  // Stops accepting and stops all tasks; returns when all have, or at `deadline` (of SteadyNow).
  // Writes that fail are not tried again.
  void Shutdown(absl::Time deadline);

  // What Submit would refuse of the settings of the task's kind; a failure is anything else that it
  // would refuse.
  absl::StatusOr<std::vector<SpecProblem>> FindProblems(const v1::SubmitTaskRequest& request) const;
  // Why the request would be refused, whatever tasks there are.
  absl::Status Check(const v1::SubmitTaskRequest& request) const;
  // Checks the request at once. `done` is called, from any thread, when the task is durable or
  // refused, so that many submissions share one commit.
  using Accepted = std::function<void(absl::StatusOr<LiveTask::Snapshot>)>;
  void Submit(const v1::SubmitTaskRequest& request, Accepted done);
  absl::StatusOr<LiveTask::Snapshot> Get(const std::string& id);
  // Whether the task is in memory: at work, or waiting for something that may come any moment.
  bool IsLive(const std::string& id) { return Live(id) != nullptr; }
  absl::StatusOr<LiveTask::Snapshot> Cancel(const std::string& id, const std::string& reason);
  // `question` is the begin sequence of the question's span; 0: the one question that waits.
  absl::Status Respond(const std::string& id, int64_t question, Json answer);
  // task_forks.cc
  absl::StatusOr<LiveTask::Snapshot> Fork(const v1::ForkTaskRequest& request);
  absl::StatusOr<LiveTask::Snapshot> Replay(const v1::ReplayTaskRequest& request);
  // The path of the first effect in the task's record whose result a fork put in the place of
  // another, be it a fork of a fork or a replay of one; "": there is none.
  absl::StatusOr<std::string> ReplacedIn(const std::string& id);
  absl::Status Delete(const std::string& id, bool force);

  // Gives free pages of the store back, some at a time, and removes at most a hundred tasks whose
  // retention is over; returns how many.
  absl::StatusOr<int> Sweep();

  Workspace WorkspaceOf(const std::string& id) const;
  EventHub& hub() { return hub_; }
  Store& store() { return *store_; }

 private:
  const TaskKind* KindOf(const std::string& name) const;
  // All but the settings of the kind, which is returned.
  absl::StatusOr<const TaskKind*> CheckShared(const v1::SubmitTaskRequest& request) const;
  // Holds an id for one submission at a time; false if it is held already. `then` is called when
  // it is free.
  bool Reserve(const std::string& id);
  void WaitForRelease(const std::string& id, std::function<void()> then);
  void Release(const std::string& id);
  absl::StatusOr<TaskRow> NewRow(const v1::SubmitTaskRequest& request, const std::string& id);
  void PinPrompts(const TaskKind& kind, v1::TaskSpec& spec) const;
  // Makes the task durable and starts it. `copy` lives until `done` is called.
  void Accept(TaskRow row, const TaskCopy* copy, Accepted done);
  absl::StatusOr<LiveTask::Snapshot> AcceptAndWait(TaskRow row, const TaskCopy& copy);
  using CopyFiles = std::function<absl::Status(const Workspace& from, const Workspace& to)>;
  // The same, with files that are copied first.
  absl::StatusOr<LiveTask::Snapshot> AcceptCopy(TaskRow row, const TaskCopy& copy,
                                                const CopyFiles& copy_files);
  absl::Status CheckRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `is_new`: nothing was written of the task but its first event.
  void OnAccepted(TaskRow row, int64_t last_sequence, bool is_new, const absl::Status& written,
                  const Accepted& done);
  absl::StatusOr<TaskCopy> CopyForFork(const v1::ForkTaskRequest& request, const SpanName& name);
  absl::StatusOr<TaskRow> ReadRow(const std::string& id);
  // The task that an earlier call of the same request made; none if there was no such call, or the
  // request has no id. kRequestIdReused if the id came with another request.
  absl::StatusOr<std::optional<TaskRow>> EarlierSubmission(const std::string& request_id,
                                                           const std::string& request_hash);
  // A task that waits for its turn.
  struct Queued {
    TaskRow row;
    int64_t new_last_sequence = 0;  // see LiveTask::NoteIsNew; 0: it is not new
  };
  // Starts the task, or lets it wait for its turn.
  void Launch(Queued task);
  void Enqueue(Queued task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first of those that wait, if it may run: it is live from now on.
  std::shared_ptr<LiveTask> NextToRun();
  void OnEnd(const std::string& id, LiveTask::Ending ending, bool cancelling);
  // A task that the store's failure left: tries after a pause whether it can go on.
  void Strand(const std::string& id, bool cancelling) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ProbeStore(const std::string& id, bool cancelling);
  void OnProbed(const std::string& id, bool cancelling, const absl::Status& written);
  bool Stranded(const std::string& id);
  // A task that waits for a person without being live, until an answer, a limit of its time, or a
  // person's wish to cancel it.
  struct Resting {
    LiveTask::Snapshot snapshot;
    std::unique_ptr<asio::steady_timer> deadline;  // null: it may wait for ever
  };
  void LetRest(const std::string& id, LiveTask::Snapshot snapshot, absl::Duration time_left)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes a task that rests live again; nothing for others.
  void Wake(const std::string& id);
  // The task, live; null if it is not within a few seconds. Wakes one that rests.
  std::shared_ptr<LiveTask> Awake(const std::string& id);
  // Where the question is that is meant by `question` (see Respond).
  absl::StatusOr<std::string> PathOfQuestion(const std::string& id, int64_t question);
  // Ends a task that does not run. `taken`: from those that would be started.
  absl::StatusOr<LiveTask::Snapshot> CancelUnstarted(TaskRow row, bool taken);
  // Whether nothing is under way that would come back to this object.
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<LiveTask> Live(const std::string& id);

  const TaskManagerOptions options_;
  const RunServices services_;
  Store* const store_;
  const std::vector<std::unique_ptr<TaskKind>> kinds_;
  const TaskFolders folders_;
  EventHub hub_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<LiveTask>> live_ ABSL_GUARDED_BY(mutex_);
  std::deque<Queued> waiting_ ABSL_GUARDED_BY(mutex_);
  std::multiset<std::string> accepting_ ABSL_GUARDED_BY(mutex_);  // submitted, not started yet
  std::map<std::string, std::vector<std::function<void()>>> reserved_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<asio::steady_timer>> stranded_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Resting> resting_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  asio::thread_pool threads_;
};

}  // namespace troupe
