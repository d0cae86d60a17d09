#include "server/store/writer.h"

#include <spdlog/spdlog.h>

#include <iterator>
#include <utility>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(100);
// After so long without a write there is time for what was put off.
constexpr absl::Duration kIdle = absl::Milliseconds(200);
// So many changes of others may be written by who waits for one of its own. With more there is much
// to do, and the thread that writes them lacks where it came from.
constexpr size_t kFew = 8;

class FunctionJob : public StoreWriter::Job {
 public:
  FunctionJob(StoreWriter::Change change, StoreWriter::Callback done)
      : change_(std::move(change)), done_(std::move(done)) {}
  absl::Status Apply(Connection& connection) override { return change_(connection); }
  void Done(absl::Status status) override {
    if (done_) done_(std::move(status));
  }

 private:
  const StoreWriter::Change change_;
  const StoreWriter::Callback done_;
};

}  // namespace

StoreWriter::StoreWriter(std::unique_ptr<Connection> connection, Options options,
                         Deferred* deferred)
    : options_(options),
      connection_(std::move(connection)),
      deferred_(deferred),
      thread_([this] { Loop(); }) {}

StoreWriter::~StoreWriter() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    retrying_ends_ = true;
  }
  Wake();
  thread_.join();
}

void StoreWriter::StopRetrying() {
  MutexLock lock(&mutex_);
  retrying_ends_ = true;
}

void StoreWriter::Wake() {
  wake_mutex_.Lock();
  woken_ = true;
  wake_mutex_.UnlockThenNotify();
}

void StoreWriter::Submit(Change change, Callback done, bool may_wait) {
  Submit(std::make_unique<FunctionJob>(std::move(change), std::move(done)), may_wait);
}

void StoreWriter::SubmitHere(Change change, Callback done) {
  SubmitHere(std::make_unique<FunctionJob>(std::move(change), std::move(done)));
}

void StoreWriter::Submit(std::unique_ptr<Job> job, bool may_wait) {
  {
    MutexLock lock(&mutex_);
    if (queue_.size() < options_.max_queue && !stopping_) {
      queue_.push_back(std::move(job));
      ++taken_in_;
      const bool hurry = !may_wait || queue_.size() >= options_.max_batch;
      // One wake is enough: the writer looks again before it waits, as does who writes now.
      const bool wakes = !writing_ && ((hurry && !hurry_) || asleep_);
      hurry_ = hurry_ || hurry;
      if (!wakes) return;
      asleep_ = false;
      return Wake();
    }
  }
  job->Done(
      Error(Reason::kQueueFull, "the store cannot keep up: too many changes wait; try later"));
}

absl::Status StoreWriter::SubmitAndWait(Change change) {
  // Shared with the callback, which may still be leaving when this returns.
  struct Outcome {
    Mutex mutex;
    bool finished ABSL_GUARDED_BY(mutex) = false;
    absl::Status status ABSL_GUARDED_BY(mutex);
  };
  auto outcome = std::make_shared<Outcome>();
  Submit(std::move(change), [outcome](absl::Status status) {
    MutexLock lock(&outcome->mutex);
    outcome->status = std::move(status);
    outcome->finished = true;
  });
  MutexLock lock(&outcome->mutex);
  outcome->mutex.Await(Condition(&outcome->finished));
  return outcome->status;
}

void StoreWriter::Drain() {
  {
    MutexLock lock(&mutex_);
    hurry_ = hurry_ || !queue_.empty();
  }
  Wake();
  MutexLock lock(&mutex_);
  const auto reached = [this, goal = taken_in_]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return done_with_ >= goal; };
  mutex_.Await(Condition(&reached));
}

std::optional<StoreWriter::Batch> StoreWriter::NextBatch() {
  // How often in a row nothing came while this waited: once, and what may wait has waited; twice,
  // and there is time for what was put off.
  int quiet = 0;
  uint64_t seen = 0;
  for (;;) {
    absl::Time deadline = absl::InfiniteFuture();
    {
      MutexLock lock(&mutex_);
      if (std::exchange(seen, batches_) != batches_) quiet = 0;
      const bool behind = deferred_ != nullptr && deferred_->HasPutOff();
      if (!writing_) {
        const bool due = hurry_ || stopping_ || quiet > 0;
        if (due && !queue_.empty()) return TakeBatch();
        if (stopping_) return std::nullopt;
        if (quiet > 1 && behind) return TakeBatch();
        if (quiet == 0) deadline = SteadyNow() + options_.max_delay;
        if (quiet > 0 && behind) deadline = SteadyNow() + kIdle;
      }
      asleep_ = quiet > 0;
    }
    MutexLock lock(&wake_mutex_);
    const bool woken = wake_mutex_.AwaitWithDeadline(Condition(&woken_), deadline);
    quiet = woken ? 0 : quiet + 1;
    woken_ = false;
  }
}

StoreWriter::Batch StoreWriter::TakeBatch() {
  Batch batch;
  while (!queue_.empty() && batch.size() < options_.max_batch) {
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (queue_.empty()) hurry_ = false;
  writing_ = true;
  ++batches_;
  return batch;
}

StoreWriter::Batch StoreWriter::TakeTurn(std::unique_ptr<Job>& job) {
  MutexLock lock(&mutex_);
  // If somebody is in a hurry already, the thread is on its way.
  if (writing_ || hurry_ || stopping_ || queue_.size() >= kFew) return {};
  queue_.push_back(std::move(job));
  ++taken_in_;
  return TakeBatch();
}

void StoreWriter::SubmitHere(std::unique_ptr<Job> job) {
  Batch batch = TakeTurn(job);
  if (batch.empty()) return Submit(std::move(job));
  std::vector<absl::Status> results;
  if (TryCommit(batch, results).ok()) {
    if (Finish(std::move(batch), results)) Wake();
  } else {
    connection_->Execute("ROLLBACK").IgnoreError();
    GiveBack(std::move(batch));
  }
}

void StoreWriter::GiveBack(Batch batch) {
  {
    MutexLock lock(&mutex_);
    queue_.insert(queue_.begin(), std::make_move_iterator(batch.begin()),
                  std::make_move_iterator(batch.end()));
    hurry_ = true;
    writing_ = false;
  }
  Wake();
}

bool StoreWriter::Finish(Batch batch, const std::vector<absl::Status>& results) {
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i]->Done(results[i]);
  }
  const size_t size = batch.size();
  batch.clear();  // what the callbacks hold goes before anybody is told
  MutexLock lock(&mutex_);
  done_with_ += size;
  writing_ = false;
  return hurry_ || stopping_ || (asleep_ && !queue_.empty());
}

void StoreWriter::Loop() {
  while (auto batch = NextBatch()) {
    std::vector<absl::Status> results;
    if (batch->empty()) {
      DoPutOff();
    } else {
      results = Commit(*batch);
    }
    Finish(*std::move(batch), results);
  }
  if (deferred_ != nullptr && deferred_->HasPutOff()) DoPutOff();
}

void StoreWriter::DoPutOff() {
  Batch none;
  std::vector<absl::Status> results;
  // If it fails it stays put off.
  if (!TryCommit(none, results).ok()) connection_->Execute("ROLLBACK").IgnoreError();
}

std::vector<absl::Status> StoreWriter::Commit(Batch& batch) {
  const absl::Time give_up = SteadyNow() + options_.give_up;
  for (;;) {
    std::vector<absl::Status> results;
    const absl::Status committed = TryCommit(batch, results);
    if (committed.ok()) {
      if (!healthy_.exchange(true)) spdlog::info("the store takes writes again");
      return results;
    }
    connection_->Execute("ROLLBACK").IgnoreError();
    if (healthy_.exchange(false)) spdlog::error("{}", std::string(committed.message()));
    bool ends = false;
    {
      // Waits for the disk, but not when the server closes.
      MutexLock lock(&mutex_);
      ends = mutex_.AwaitWithTimeout(Condition(&retrying_ends_), kRetryPause);
    }
    if (ends || SteadyNow() > give_up || !HasReason(committed, Reason::kStoreReadOnly)) {
      return std::vector<absl::Status>(batch.size(), committed);
    }
  }
}

absl::Status StoreWriter::TryCommit(Batch& batch, std::vector<absl::Status>& results) {
  RETURN_IF_ERROR(connection_->CheckInPlace());
  ASSIGN_OR_RETURN(const bool committed, CommitTogether(batch));
  if (!committed) {
    connection_->Execute("ROLLBACK").IgnoreError();
    return CommitApart(batch, results);
  }
  results.assign(batch.size(), absl::OkStatus());
  return absl::OkStatus();
}

absl::StatusOr<bool> StoreWriter::CommitTogether(Batch& batch) {
  RETURN_IF_ERROR(connection_->Run("BEGIN IMMEDIATE"));
  if (deferred_ != nullptr) {
    RETURN_IF_ERROR(deferred_->Begin(*connection_, /*at_once=*/false));
  }
  for (const auto& job : batch) {
    const absl::Status applied = job->Apply(*connection_);
    if (HasReason(applied, Reason::kStoreReadOnly)) return applied;
    if (!applied.ok()) return false;
  }
  if (deferred_ != nullptr) {
    const absl::Status finished = deferred_->Finish(*connection_, /*all=*/batch.empty());
    if (HasReason(finished, Reason::kStoreReadOnly)) return finished;
    if (!finished.ok()) return false;
  }
  RETURN_IF_ERROR(connection_->Run("COMMIT"));
  if (deferred_ != nullptr) deferred_->Committed();
  return true;
}

absl::Status StoreWriter::CommitApart(Batch& batch, std::vector<absl::Status>& results) {
  RETURN_IF_ERROR(connection_->Run("BEGIN IMMEDIATE"));
  if (deferred_ != nullptr) {
    RETURN_IF_ERROR(deferred_->Begin(*connection_, /*at_once=*/true));
  }
  for (const auto& job : batch) {
    RETURN_IF_ERROR(connection_->Run("SAVEPOINT change"));
    absl::Status applied = job->Apply(*connection_);
    if (HasReason(applied, Reason::kStoreReadOnly)) return applied;
    if (!applied.ok()) {
      RETURN_IF_ERROR(connection_->Run("ROLLBACK TO change"));
    }
    RETURN_IF_ERROR(connection_->Run("RELEASE change"));
    results.push_back(std::move(applied));
  }
  RETURN_IF_ERROR(connection_->Run("COMMIT"));
  if (deferred_ != nullptr) deferred_->Committed();
  return absl::OkStatus();
}

}  // namespace troupe
