// StoreWriter: the one thread that writes to the store. Changes queue up; all that wait are applied
// in one transaction and made durable by one commit, so that the cost of the disk is shared.
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
#include <thread>
#include <vector>

#include "server/store/sqlite.h"
#include "tools/base/mutex.h"

namespace troupe {

class StoreWriter {
 public:
  using Change = std::function<absl::Status(Connection&)>;
  using Callback = std::function<void(absl::Status)>;

  struct Options {
    absl::Duration give_up = absl::Seconds(60);
    size_t max_queue = 1'000'000;  // changes; more are refused with kQueueFull
    size_t max_batch = 1024;
  };

  StoreWriter(std::unique_ptr<Connection> connection, Options options);
  // Applies what is queued, then stops.
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // `change` may be applied more than once, what it did before being undone. `done` is called from
  // the writer's thread, in the order of the calls; it may be empty and must not block.
  void Submit(Change change, Callback done);
  // Submits and waits.
  absl::Status SubmitAndWait(Change change);

  // Returns when all that was submitted before is done with, its callbacks too.
  void Drain();

  // From now on a commit that fails is not tried again.
  void StopRetrying();

  // False while commits fail.
  bool healthy() const { return healthy_.load(); }

 private:
  struct Job {
    Change change;
    Callback done;
  };
  void Loop();
  // Applies and commits the batch; one status per job.
  std::vector<absl::Status> Commit(std::vector<Job>& batch);
  absl::Status TryCommit(std::vector<Job>& batch, std::vector<absl::Status>& results);
  // False if a change failed, which spoils the transaction for all of the batch.
  absl::StatusOr<bool> CommitTogether(std::vector<Job>& batch);
  // Keeps the changes apart, so that one that fails is undone alone: a savepoint for each makes
  // SQLite write its full-text index for each, so this is for batches with a failure.
  absl::Status CommitApart(std::vector<Job>& batch, std::vector<absl::Status>& results);

  const Options options_;
  std::unique_ptr<Connection> connection_;  // used by the writer's thread alone
  std::atomic<bool> healthy_ = true;
  Mutex mutex_;
  std::deque<Job> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t taken_in_ ABSL_GUARDED_BY(mutex_) = 0;   // changes that were ever queued
  uint64_t done_with_ ABSL_GUARDED_BY(mutex_) = 0;  // of those: their callbacks have returned
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool retrying_ends_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace troupe
