#include "server/store/content_index.h"

#include <algorithm>
#include <array>
#include <functional>

#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// So many share pages of an index of millions; to write them takes some ten milliseconds, ...
constexpr size_t kMostPutOff = 8192;
// ... which is shared out over the transactions: at least so many, and twice as many as came.
constexpr size_t kSlice = 512;
// A store with more contents takes too long to read their hashes when it is opened.
constexpr int64_t kMostFiltered = 1'000'000;

constexpr size_t kHalf = 16;  // bytes

std::array<char, kHalf> BytesOf(absl::uint128 half) {
  std::array<char, kHalf> bytes;
  for (size_t i = bytes.size(); i > 0; --i, half >>= 8) bytes[i - 1] = static_cast<char>(half);
  return bytes;
}

absl::Status Insert(Connection& connection, absl::uint128 half, int64_t id) {
  const std::array<char, kHalf> bytes = BytesOf(half);
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO content_hashes (half, content) VALUES (?, ?) ON "
                                      "CONFLICT (half) DO NOTHING"));
  insert.BindBlobKept({bytes.data(), bytes.size()}).Bind(id);
  return insert.Run();
}

absl::StatusOr<int64_t> FindAdded(Connection& connection, const Hash& hash) {
  ASSIGN_OR_RETURN(Statement find,
                   connection.Prepare("SELECT content FROM content_hashes WHERE half = ?"));
  find.BindBlobKept(hash.bytes().substr(0, kHalf));
  ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Int(0) : 0;
}

// Among those that the index does not have yet, one by one.
absl::StatusOr<int64_t> FindMissing(Connection& connection, const Hash& hash) {
  ASSIGN_OR_RETURN(Statement find,
                   connection.Prepare("SELECT id FROM contents WHERE id > (SELECT last FROM "
                                      "content_index) AND hash = ?"));
  find.BindBlobKept(hash.bytes());
  ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Int(0) : 0;
}

}  // namespace

absl::StatusOr<int64_t> ContentIndex::Find(Connection& connection, const Hash& hash) const {
  if (filter_ != nullptr && !filter_->MayHave(hash.key())) return 0;
  if (const int64_t id = FindPutOff(hash.key()); id != 0) return id;
  ASSIGN_OR_RETURN(const int64_t id, FindAdded(connection, hash));
  return id != 0 || knows_all_ ? id : FindMissing(connection, hash);
}

absl::Status ContentIndex::Add(Connection& connection, const Hash& hash, int64_t id) {
  const absl::uint128 half = hash.key();
  if (filter_ != nullptr) filter_->Add(half);
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
  if (!run_.empty()) RETURN_IF_ERROR(AddOfRun(connection, run_.size()));
  if (added_ == entries_.size()) return absl::OkStatus();
  std::vector<Entry> sorted(entries_.begin() + static_cast<ptrdiff_t>(added_), entries_.end());
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [half, id] : sorted) RETURN_IF_ERROR(Insert(connection, half, id));
  added_ = entries_.size();
  return NoteComplete(connection);
}

void ContentIndex::StartRun() {
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(durable_);
  run_.assign(entries_.begin(), end);
  entries_.erase(entries_.begin(), end);
  durable_ = 0;
  run_last_ = run_.back().second;  // ids grow
  std::sort(run_.begin(), run_.end(), std::greater<>());
}

absl::Status ContentIndex::AddOfRun(Connection& connection, size_t count) {
  const size_t end = std::min(run_.size(), run_added_ + count);
  if (run_added_ == end) return absl::OkStatus();
  for (; run_added_ < end; ++run_added_) {
    const auto& [half, id] = run_[run_.size() - 1 - run_added_];
    RETURN_IF_ERROR(Insert(connection, half, id));
  }
  if (run_added_ < run_.size()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Statement note, connection.Prepare("UPDATE content_index SET last = ?"));
  note.Bind(run_last_);
  return note.Run();
}

int64_t ContentIndex::FindPutOff(absl::uint128 half) const {
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
    const Hash hash = Hash::FromBytes(missing.Blob(1));
    RETURN_IF_ERROR(Insert(connection, hash.key(), missing.Int(0)));
  }
  // A disk that is full can be read.
  return any ? NoteComplete(connection) : absl::OkStatus();
}

absl::Status ContentIndex::NothingIsMissing(Connection& connection) {
  knows_all_ = true;
  ASSIGN_OR_RETURN(Statement last, connection.Prepare("SELECT ifnull(max(id), 0) FROM contents"));
  RETURN_IF_ERROR(last.Step().status());
  if (last.Int(0) > kMostFiltered) return absl::OkStatus();
  auto filter = std::make_unique<ContentFilter>();
  ASSIGN_OR_RETURN(Statement hashes, connection.Prepare("SELECT half FROM content_hashes"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, hashes.Step());
    if (!found) break;
    filter->Add(Hash::KeyOf(hashes.Blob(0)));
  }
  filter_ = std::move(filter);
  return absl::OkStatus();
}

absl::Status ContentIndex::NoteComplete(Connection& connection) {
  return connection.Run(
      "UPDATE content_index SET last = (SELECT ifnull(max(id), 0) FROM contents)");
}

absl::Status ContentIndex::Begin(Connection& connection, bool at_once) {
  // What the transaction before left behind was undone with it.
  Forget(entries_, durable_, entries_.size());
  added_ = 0;
  run_added_ = 0;
  at_once_ = at_once;
  return at_once ? CatchUp(connection) : absl::OkStatus();
}

absl::Status ContentIndex::Finish(Connection& connection, bool all) {
  const bool many = entries_.size() - added_ >= kMostPutOff;
  // Where a run cannot keep pace, or nothing is known of what is missing.
  const bool too_many = many && (!run_.empty() || !knows_all_ || added_ > 0);
  if (all || too_many) return CatchUp(connection);
  const size_t came = entries_.size() - durable_;
  if (many && durable_ > 0) StartRun();
  return run_.empty() ? absl::OkStatus() : AddOfRun(connection, std::max(kSlice, 2 * came));
}

void ContentIndex::Committed() {
  Forget(entries_, 0, added_);
  Forget(run_, run_.size() - run_added_, run_.size());
  added_ = 0;
  run_added_ = 0;
  durable_ = entries_.size();
}

bool ContentIndex::HasPutOff() const {
  MutexLock lock(&mutex_);
  return !put_off_.empty();
}

void ContentIndex::Forget(std::vector<Entry>& entries, size_t from, size_t to) {
  if (from == to) return;
  MutexLock lock(&mutex_);
  for (size_t i = from; i < to; ++i) put_off_.erase(entries[i].first);
  entries.erase(entries.begin() + static_cast<ptrdiff_t>(from),
                entries.begin() + static_cast<ptrdiff_t>(to));
}

}  // namespace troupe
