// A way for SQLite to its files by which all that a commit adds to the write-ahead log goes to the
// system in one write. SQLite itself makes two for each page, and a commit has a dozen of them.
#pragma once

namespace troupe {

// The name of that way, for sqlite3_open_v2: files are the machine's own, but for the log, whose
// writes wait until it is synchronized or read, and which is refused as on a full disk while less
// than 256 KiB of the disk are free. For connections of PRAGMA synchronous=FULL, where
// nobody else looks at what is not synchronized yet. Thread-safe.
const char* JoinedLogVfs();

}  // namespace troupe
