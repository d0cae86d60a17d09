// Keeps room in SQLite's write-ahead log: a commit that writes into a file that is large enough is
// on the disk in half the time of one that makes it longer, as the file system has nothing of its
// own to write.
#pragma once

#include <cstdint>

struct sqlite3;

namespace troupe {

// Of one connection, which must outlive it. Thread-compatible, as that is.
class WalRoom {
 public:
  // From now on looks after the log of the connection's file, at each of its commits. Checkpoints
  // are made where the log has `checkpoint_frames` pages, in place of SQLite's own doing so.
  void Attach(sqlite3* database, int checkpoint_frames);

 private:
  static int OnCommit(void* self, sqlite3* database, const char* name, int frames);
  // Makes the log longer if not much of it is left behind `frames` pages. It need not succeed: a
  // disk that has no room for it is left as it was.
  void Extend(sqlite3* database, int64_t frames);

  int64_t checkpoint_frames_ = 0;
  int64_t bytes_ = 0;  // of the log's file, as far as known
};

}  // namespace troupe
