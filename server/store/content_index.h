// ContentIndex: which content has a hash. Hashes come in no order, so that each of some new ones
// lies on a page of its own: written one by one they were most of what a busy server wrote. So they
// are put off until there are many, or nothing else is to be done, and are written in their order,
// some of them with each transaction, so that none takes long.
// The contents themselves are durable meanwhile, and a store that is opened puts into the index
// what was put off when it was left.
//
// Confined to whoever writes (StoreWriter), but for Find and HasPutOff.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/numeric/int128.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/store/content_filter.h"
#include "server/store/writer.h"
#include "tools/base/hash.h"
#include "tools/base/mutex.h"

namespace troupe {

class ContentIndex : public StoreWriter::Deferred {
 public:
  // The contents.id of the content with a hash; 0 if there is none. Half of the hash is looked at:
  // whoever must be sure compares the rest. The content may not be durable yet, and then not be
  // there for others. Any thread, with a connection that has read nothing yet in its transaction or
  // that writes.
  absl::StatusOr<int64_t> Find(Connection& connection, const Hash& hash) const;
  // Adds a content that was not found, or puts that off.
  absl::Status Add(Connection& connection, const Hash& hash, int64_t id);
  // Adds all that was put off.
  absl::Status CatchUp(Connection& connection);

  // Adds what is in the store and not in the index. For a store that was just opened.
  static absl::Status AddMissing(Connection& connection);
  // From now on nothing is missing from the index but what is put off here, and all contents come
  // by Add. Until then what is not found is looked for among all contents that may be missing, one
  // by one. For a store that was just opened. If it fails new contents are looked for in the index.
  absl::Status NothingIsMissing(Connection& connection);
  // Says that the index has all contents that there are. After contents were removed, as their ids
  // are used again.
  static absl::Status NoteComplete(Connection& connection);

  absl::Status Begin(Connection& connection, bool at_once) override;
  absl::Status Finish(Connection& connection, bool all) override;
  void Committed() override;
  bool HasPutOff() const override;

 private:
  using Entry = std::pair<absl::uint128, int64_t>;  // half of a hash, contents.id

  int64_t FindPutOff(absl::uint128 half) const;
  // Makes a run of the entries whose contents are committed.
  void StartRun();
  // Puts so many entries of the run into the index.
  absl::Status AddOfRun(Connection& connection, size_t count);
  // Removes entries from place `from` on up to `to`, which nobody will look for here again.
  void Forget(std::vector<Entry>& entries, size_t from, size_t to);

  bool at_once_ = true;
  std::atomic<bool> knows_all_ = false;    // that is put off
  std::unique_ptr<ContentFilter> filter_;  // of all contents; null: none
  std::vector<Entry> entries_;             // in the order in which they came
  size_t durable_ = 0;                     // the first of the entries: their contents are committed
  size_t added_ = 0;  // the first of the entries: this transaction has put them into the index
  std::vector<Entry> run_;  // older ones on their way into the index, that with the least hash last
  size_t run_added_ = 0;    // the last of the run: this transaction has put them into the index
  int64_t run_last_ = 0;    // the greatest contents.id of the run
  mutable Mutex mutex_;
  absl::flat_hash_map<absl::uint128, int64_t> put_off_ ABSL_GUARDED_BY(mutex_);  // both of these
};

}  // namespace troupe
