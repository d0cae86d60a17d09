#include "server/store/wal_room.h"

#include <sqlite3.h>

#include <algorithm>
#include <string>

namespace troupe {
namespace {

constexpr int64_t kFrameBytes = 24 + 4096;  // a page with its header
constexpr int64_t kMargin = 256 * 1024;     // more than most commits write
// A log that is used grows to this many times its size, up to what it has at a checkpoint: a server
// that does little writes little.
constexpr int64_t kGrowth = 4;
constexpr int64_t kPiece = 256 * 1024;

}  // namespace

void WalRoom::Attach(sqlite3* database, int checkpoint_frames) {
  checkpoint_frames_ = checkpoint_frames;
  sqlite3_wal_hook(database, OnCommit, this);
}

int WalRoom::OnCommit(void* self, sqlite3* database, const char* name, int frames) {
  auto* room = static_cast<WalRoom*>(self);
  if (frames >= room->checkpoint_frames_) {
    // What a reader keeps from being done is done at one of the next commits.
    sqlite3_wal_checkpoint_v2(database, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  } else if (frames * kFrameBytes + kMargin > room->bytes_) {
    room->Extend(database, frames);
  }
  return SQLITE_OK;
}

void WalRoom::Extend(sqlite3* database, int64_t frames) {
  // The commit is made, so that nobody else writes to the log until the next one. What stands
  // behind its last frame is ignored by whoever reads it: it has no valid checksum.
  sqlite3_file* log = nullptr;
  sqlite3_int64 size = 0;
  if (sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK ||
      log == nullptr || log->pMethods == nullptr ||
      log->pMethods->xFileSize(log, &size) != SQLITE_OK) {
    return;
  }
  const int64_t used = frames * kFrameBytes;
  bytes_ = size;
  if (used + kMargin <= size) return;
  const int64_t most = checkpoint_frames_ * kFrameBytes + 2 * kMargin;
  const int64_t wanted = std::min(kGrowth * (used + kMargin), most);
  const std::string zeros(kPiece, '\0');
  int written = SQLITE_OK;
  for (int64_t at = size; at < wanted && written == SQLITE_OK; at += kPiece) {
    written = log->pMethods->xWrite(log, zeros.data(),
                                    static_cast<int>(std::min(kPiece, wanted - at)), at);
  }
  if (written == SQLITE_OK) written = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  if (written != SQLITE_OK) log->pMethods->xTruncate(log, size);
  // Not tried again before the log has grown as far by itself.
  bytes_ = std::max<int64_t>(wanted, size);
}

}  // namespace troupe
