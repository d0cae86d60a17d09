// Store: the SQLite file in which tasks and their journals live. It implements the runtime's
// Journal; the scheduler keeps tasks in it; the API's queries read from it.
//
// Thread-safe. Writes go through one writer thread that commits in groups; reads use a pool of
// read-only connections and may block on the disk.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/runtime/journal.h"
#include "server/store/indexes.h"
#include "server/store/task_row.h"
#include "server/store/task_table.h"
#include "server/store/writer.h"
#include "tools/base/mutex.h"

namespace troupe {

// What is refused because an entry before it in its chain was not written.
absl::Status BrokenChain(const std::string& task_id);

class Store : public Journal {
 public:
  struct Options {
    std::string path;  // of the file; created if missing
    StoreWriter::Options writer;
    int readers = 4;  // read-only connections
  };

  static absl::StatusOr<std::unique_ptr<Store>> Open(Options options);
  ~Store() override;

  // Journal.
  void Append(JournalEntry entry, std::function<void(absl::Status)> done) override;
  void AppendHere(JournalEntry entry, std::function<void(absl::Status)> done) override;
  absl::StatusOr<std::vector<SpanRecord>> LoadSpans(const std::string& task_id) override;
  absl::StatusOr<int64_t> LastSequence(const std::string& task_id) override;
  absl::StatusOr<std::string> ReadContent(const Hash& hash) override;

  // Called by whoever writes after a task's journal grew. Set before the first write, or
  // when nothing is queued.
  void SetListener(std::function<void(const std::string& task_id)> listener);

  // Runs a change as StoreWriter does; `done` when it is durable.
  void Write(StoreWriter::Change change, std::function<void(absl::Status)> done);
  absl::Status WriteAndWait(StoreWriter::Change change);

  // Removes a task with all that it alone uses. kNotFound if there is none.
  absl::Status Delete(const std::string& task_id);

  // Lets search find all that is durable.
  absl::Status CatchUpIndex();
  // For a change that looks for contents itself, as appending an entry beside the journal does:
  // lets it find all of them fast.
  absl::Status CatchUpIndexes(Connection& connection) { return indexes_.CatchUp(connection); }
  // Appends an entry as a part of a change.
  absl::Status AppendWithin(Connection& connection, const JournalEntry& entry);

  // Returns when all that was written before is done with, its callbacks too. Not for the writer's
  // own thread.
  void Drain() { writer_->Drain(); }

  // Runs `read` with a read-only connection; waits for a free one.
  absl::Status Read(const std::function<absl::Status(Connection&)>& read);

  bool healthy() const { return writer_->healthy(); }

  // The server closes: a write that fails is not tried again.
  void StopRetrying() { writer_->StopRetrying(); }

  // Gives free pages back to the file system, a bounded number at a time.
  absl::Status Vacuum();

 private:
  class EntryJob;

  Store() = default;
  static absl::StatusOr<std::unique_ptr<Store>> OpenFile(Options options);
  Indexes indexes_;
  std::unique_ptr<StoreWriter> writer_;
  std::function<void(const std::string&)> listener_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_readers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
