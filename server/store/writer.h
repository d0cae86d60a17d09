// StoreWriter: all writes to the store, one transaction after another. Changes queue up; all that
// wait are applied in one transaction and made durable by one commit, so that the cost of the disk
// is shared. A change that nobody waits for does not make it write: it goes with the next that
// somebody does wait for, or alone after a short time.
//
// A thread of its own writes. Where it has nothing to do, whoever waits for a change may write it
// instead (SubmitHere), which spares two threads being woken in turn.
//
// Thread-safe. A change that fails (a constraint) is undone alone; a commit that fails because the
// disk is full or busy is tried again until `give_up` has passed, and the queue waits meanwhile.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "server/store/sqlite.h"
#include "tools/base/mutex.h"

namespace troupe {

class StoreWriter {
 public:
  using Change = std::function<absl::Status(Connection&)>;
  using Callback = std::function<void(absl::Status)>;

  // A change, and what comes of it.
  class Job {
   public:
    virtual ~Job() = default;
    // Makes the change. Called more than once if what it did before was undone.
    virtual absl::Status Apply(Connection& connection) = 0;
    // The change is durable, or never will be. Called once, by whoever writes, in the order of the
    // calls that submitted jobs; must not block.
    virtual void Done(absl::Status status) = 0;
  };

  struct Options {
    absl::Duration give_up = absl::Seconds(60);
    size_t max_queue = 1'000'000;  // changes; more are refused with kQueueFull
    // Whoever waits for the first of a batch waits for the last, but smaller ones write more pages.
    size_t max_batch = 1024;
    absl::Duration max_delay = absl::Milliseconds(10);  // of a change that may wait
  };

  // What changes put off, to do it for many of them together, in a transaction of theirs or in a
  // later one. Called by whoever writes.
  class Deferred {
   public:
    virtual ~Deferred() = default;
    // A transaction begins. What was put off since the last one that was committed is void.
    // `at_once`: nothing may be put off, so that it fails with the change that it belongs to.
    virtual absl::Status Begin(Connection& connection, bool at_once) = 0;
    // All changes are applied: does what was put off, if it is time or `all` is to be done.
    virtual absl::Status Finish(Connection& connection, bool all) = 0;
    // The transaction is durable.
    virtual void Committed() = 0;
    // Whether something is put off. It is done before long where nothing is to be written.
    virtual bool HasPutOff() const = 0;
  };

  // `deferred` may be null, and must outlive this.
  StoreWriter(std::unique_ptr<Connection> connection, Options options,
              Deferred* deferred = nullptr);
  // Applies what is queued, then stops.
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // `may_wait`: nobody waits for it.
  void Submit(std::unique_ptr<Job> job, bool may_wait = false);
  // The same of a function for each part of a job; `done` may be empty.
  void Submit(Change change, Callback done, bool may_wait = false);
  // As Submit. Where nobody writes, the calling thread does, with all that may wait, and `done` is
  // called before this returns. It waits for the disk then, but no longer than for one commit: what
  // that does not take is left to the writer's thread.
  void SubmitHere(std::unique_ptr<Job> job);
  void SubmitHere(Change change, Callback done);
  // Submits and waits.
  absl::Status SubmitAndWait(Change change);

  // Returns when all that was submitted before is done with, its callbacks too.
  void Drain();

  // From now on a commit that fails is not tried again.
  void StopRetrying();

  // False while commits fail.
  bool healthy() const { return healthy_.load(); }

 private:
  using Batch = std::vector<std::unique_ptr<Job>>;

  void Loop();
  // Waits for work and takes it: writing_ is true then. Empty: it is time for what was put off.
  // None: there is nothing left to do and the writer stops.
  std::optional<Batch> NextBatch();
  Batch TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The batch that the calling thread is to write, with `job` in it. Empty: the writer's thread
  // writes, and the job is left as it is.
  Batch TakeTurn(std::unique_ptr<Job>& job);
  void Wake();
  // Tells who waits for the batch, and lets others write; whether the thread has something to do.
  bool Finish(Batch batch, const std::vector<absl::Status>& results);
  // Leaves a batch that could not be written here to the writer's thread.
  void GiveBack(Batch batch);
  // Applies and commits the batch; one status per job.
  std::vector<absl::Status> Commit(Batch& batch);
  void DoPutOff();
  absl::Status TryCommit(Batch& batch, std::vector<absl::Status>& results);
  // False if a change failed, which spoils the transaction for all of the batch.
  absl::StatusOr<bool> CommitTogether(Batch& batch);
  // Keeps the changes apart, so that one that fails is undone alone: a savepoint for each makes
  // SQLite write its full-text index for each, so this is for batches with a failure.
  absl::Status CommitApart(Batch& batch, std::vector<absl::Status>& results);

  const Options options_;
  std::unique_ptr<Connection> connection_;  // of whoever has set writing_
  Deferred* const deferred_;                // the same
  std::atomic<bool> healthy_ = true;
  Mutex mutex_;
  std::deque<std::unique_ptr<Job>> queue_ ABSL_GUARDED_BY(mutex_);
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;      // somebody waits for what is queued
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;     // the thread waits until it is woken
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;    // the thread, or one of SubmitHere
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;    // that were ever taken
  uint64_t taken_in_ ABSL_GUARDED_BY(mutex_) = 0;   // changes that were ever queued
  uint64_t done_with_ ABSL_GUARDED_BY(mutex_) = 0;  // of those: their callbacks have returned
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool retrying_ends_ ABSL_GUARDED_BY(mutex_) = false;
  // A lock of its own, so that who queues what may wait does not wake the writer.
  Mutex wake_mutex_;
  bool woken_ ABSL_GUARDED_BY(wake_mutex_) = false;
  std::thread thread_;
};

}  // namespace troupe
