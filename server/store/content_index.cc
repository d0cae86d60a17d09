#include "server/store/content_index.h"

#include <absl/strings/escaping.h>

#include <algorithm>

#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// So many share pages of an index of millions; to write them takes some ten milliseconds.
constexpr size_t kMostPutOff = 8192;

std::string BytesOf(absl::uint128 half) {
  std::string bytes(16, '\0');
  for (size_t i = bytes.size(); i > 0; --i, half >>= 8) bytes[i - 1] = static_cast<char>(half);
  return bytes;
}

absl::Status Insert(Connection& connection, absl::uint128 half, int64_t id) {
  const std::string bytes = BytesOf(half);
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO content_hashes (half, content) VALUES (?, ?) ON "
                                      "CONFLICT (half) DO NOTHING"));
  insert.BindBlobKept(bytes).Bind(id);
  return insert.Run();
}

absl::StatusOr<int64_t> FindAdded(Connection& connection, const std::string& hash) {
  const std::string half = BytesOf(HashKey(hash));
  ASSIGN_OR_RETURN(Statement find,
                   connection.Prepare("SELECT content FROM content_hashes WHERE half = ?"));
  find.BindBlobKept(half);
  ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Int(0) : 0;
}

// Among those that the index does not have yet, one by one.
absl::StatusOr<int64_t> FindMissing(Connection& connection, const std::string& hash) {
  const std::string bytes = HashBytes(hash);
  ASSIGN_OR_RETURN(Statement find,
                   connection.Prepare("SELECT id FROM contents WHERE id > (SELECT last FROM "
                                      "content_index) AND hash = ?"));
  find.BindBlobKept(bytes);
  ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Int(0) : 0;
}

}  // namespace

absl::StatusOr<int64_t> ContentIndex::Find(Connection& connection, const std::string& hash) const {
  if (const int64_t id = FindPutOff(hash); id != 0) return id;
  ASSIGN_OR_RETURN(const int64_t id, FindAdded(connection, hash));
  return id != 0 || knows_all_ ? id : FindMissing(connection, hash);
}

absl::Status ContentIndex::Add(Connection& connection, const std::string& hash, int64_t id) {
  const absl::uint128 half = HashKey(hash);
  if (at_once_) return Insert(connection, half, id);
  entries_.emplace_back(half, id);
  MutexLock lock(&mutex_);
  put_off_[half] = id;
  return absl::OkStatus();
}

absl::Status ContentIndex::CatchUp(Connection& connection) {
  if (!knows_all_) {
    added_ = entries_.size();
    return AddMissing(connection);
  }
  if (added_ == entries_.size()) return absl::OkStatus();
  std::vector<Entry> sorted(entries_.begin() + static_cast<ptrdiff_t>(added_), entries_.end());
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [half, id] : sorted) RETURN_IF_ERROR(Insert(connection, half, id));
  added_ = entries_.size();
  return NoteComplete(connection);
}

int64_t ContentIndex::FindPutOff(const std::string& hash) const {
  const absl::uint128 half = HashKey(hash);
  MutexLock lock(&mutex_);
  const auto found = put_off_.find(half);
  return found == put_off_.end() ? 0 : found->second;
}

absl::Status ContentIndex::AddMissing(Connection& connection) {
  ASSIGN_OR_RETURN(Statement missing,
                   connection.Prepare("SELECT id, hash FROM contents WHERE id > (SELECT last FROM "
                                      "content_index)"));
  bool any = false;
  for (;; any = true) {
    ASSIGN_OR_RETURN(const bool found, missing.Step());
    if (!found) break;
    const std::string hash = absl::BytesToHexString(missing.Blob(1));
    RETURN_IF_ERROR(Insert(connection, HashKey(hash), missing.Int(0)));
  }
  // A disk that is full can be read.
  return any ? NoteComplete(connection) : absl::OkStatus();
}

absl::Status ContentIndex::NoteComplete(Connection& connection) {
  return connection.Run(
      "UPDATE content_index SET last = (SELECT ifnull(max(id), 0) FROM contents)");
}

absl::Status ContentIndex::Begin(Connection& connection, bool at_once) {
  // What the transaction before left behind was undone with it.
  Forget(durable_, entries_.size());
  added_ = 0;
  at_once_ = at_once;
  return at_once ? CatchUp(connection) : absl::OkStatus();
}

absl::Status ContentIndex::Finish(Connection& connection, bool all) {
  const bool many = entries_.size() - added_ >= kMostPutOff;
  return all || many ? CatchUp(connection) : absl::OkStatus();
}

void ContentIndex::Committed() {
  Forget(0, added_);
  added_ = 0;
  durable_ = entries_.size();
}

bool ContentIndex::HasPutOff() const {
  MutexLock lock(&mutex_);
  return !put_off_.empty();
}

void ContentIndex::Forget(size_t from, size_t to) {
  if (from == to) return;
  MutexLock lock(&mutex_);
  for (size_t i = from; i < to; ++i) put_off_.erase(entries_[i].first);
  entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(from),
                 entries_.begin() + static_cast<ptrdiff_t>(to));
}

}  // namespace troupe
