#include "server/store/joined_log.h"

#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace troupe {
namespace {

constexpr char kName[] = "troupe-joined-log";
// Bytes: a long transaction is written piece by piece.
constexpr size_t kMostPending = 1024 * 1024;
// Bytes of one write: SQLite's way to the machine's files takes 128 KiB and more for a full disk.
constexpr size_t kPiece = 64 * 1024;
// Bytes: with less left the disk is full.
constexpr uint64_t kLeastFree = 256 * 1024;

// Lies in memory that SQLite gives, which has room for the file behind it.
struct Log : sqlite3_file {
  sqlite3_file* file = nullptr;
  const char* name = nullptr;  // SQLite keeps it as long as the file is open
  std::string pending;         // not yet written
  int64_t at = 0;              // where it belongs
};

Log& LogOf(sqlite3_file* file) { return *static_cast<Log*>(file); }

// What fails is forgotten: SQLite is told, and writes it again if it wants to.
int WritePending(Log& log) {
  int code = SQLITE_OK;
  for (size_t done = 0; done < log.pending.size() && code == SQLITE_OK; done += kPiece) {
    const size_t size = std::min(kPiece, log.pending.size() - done);
    code = log.file->pMethods->xWrite(log.file, log.pending.data() + done, static_cast<int>(size),
                                      log.at + static_cast<int64_t>(done));
  }
  log.pending.clear();
  return code;
}

int Close(sqlite3_file* file) {
  Log& log = LogOf(file);
  const int written = WritePending(log);
  const int closed = log.file->pMethods->xClose(log.file);
  std::destroy_at(&log);
  return written != SQLITE_OK ? written : closed;
}

int Read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 at) {
  Log& log = LogOf(file);
  const int written = WritePending(log);
  return written != SQLITE_OK ? written : log.file->pMethods->xRead(log.file, bytes, size, at);
}

int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
  Log& log = LogOf(file);
  const auto end = log.at + static_cast<int64_t>(log.pending.size());
  if (at != end || log.pending.size() + static_cast<size_t>(size) > kMostPending) {
    const int written = WritePending(log);
    if (written != SQLITE_OK) return written;
    log.at = at;
  }
  log.pending.append(static_cast<const char*>(bytes), static_cast<size_t>(size));
  return SQLITE_OK;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  Log& log = LogOf(file);
  const int written = WritePending(log);
  return written != SQLITE_OK ? written : log.file->pMethods->xTruncate(log.file, size);
}

bool DiskIsFull(const char* name) {
  struct statvfs disk {};
  if (statvfs(name, &disk) != 0) return false;
  const uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
  return blocks * disk.f_frsize < kLeastFree;
}

// A log that has room would take what is said of work that fails as the disk has none: the store is
// the first to notice, and what fails meanwhile is known when there is room again.
int Sync(sqlite3_file* file, int flags) {
  Log& log = LogOf(file);
  if (DiskIsFull(log.name)) {
    log.pending.clear();
    return SQLITE_FULL;
  }
  const int written = WritePending(log);
  return written != SQLITE_OK ? written : log.file->pMethods->xSync(log.file, flags);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  Log& log = LogOf(file);
  const int written = WritePending(log);
  return written != SQLITE_OK ? written : log.file->pMethods->xFileSize(log.file, size);
}

int Lock(sqlite3_file* file, int level) {
  const Log& log = LogOf(file);
  return log.file->pMethods->xLock(log.file, level);
}

int Unlock(sqlite3_file* file, int level) {
  const Log& log = LogOf(file);
  return log.file->pMethods->xUnlock(log.file, level);
}

int CheckReservedLock(sqlite3_file* file, int* locked) {
  const Log& log = LogOf(file);
  return log.file->pMethods->xCheckReservedLock(log.file, locked);
}

int FileControl(sqlite3_file* file, int operation, void* argument) {
  const Log& log = LogOf(file);
  return log.file->pMethods->xFileControl(log.file, operation, argument);
}

int SectorSize(sqlite3_file* file) {
  const Log& log = LogOf(file);
  return log.file->pMethods->xSectorSize(log.file);
}

int DeviceCharacteristics(sqlite3_file* file) {
  const Log& log = LogOf(file);
  return log.file->pMethods->xDeviceCharacteristics(log.file);
}

// Of version 1, which has all that a log is used by.
const sqlite3_io_methods* MethodsOfLogs() {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods made{};
    made.iVersion = 1;
    made.xClose = Close;
    made.xRead = Read;
    made.xWrite = Write;
    made.xTruncate = Truncate;
    made.xSync = Sync;
    made.xFileSize = FileSize;
    made.xLock = Lock;
    made.xUnlock = Unlock;
    made.xCheckReservedLock = CheckReservedLock;
    made.xFileControl = FileControl;
    made.xSectorSize = SectorSize;
    made.xDeviceCharacteristics = DeviceCharacteristics;
    return made;
  }();
  return &methods;
}

int Open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* machine = sqlite3_vfs_find("unix");
  if ((flags & SQLITE_OPEN_WAL) == 0) return machine->xOpen(machine, name, file, flags, out_flags);
  auto* memory = static_cast<void*>(file);
  Log* log = std::construct_at(static_cast<Log*>(memory));
  log->file = reinterpret_cast<sqlite3_file*>(log + 1);
  log->name = name;
  const int code = machine->xOpen(machine, name, log->file, flags, out_flags);
  if (code == SQLITE_OK) {
    log->pMethods = MethodsOfLogs();
    return SQLITE_OK;
  }
  std::destroy_at(log);
  file->pMethods = nullptr;  // so that SQLite does not close it
  return code;
}

// Lives as long as the program, as SQLite keeps it.
sqlite3_vfs MakeVfs() {
  sqlite3_initialize();
  sqlite3_vfs made = *sqlite3_vfs_find("unix");
  made.zName = kName;
  made.szOsFile += static_cast<int>(sizeof(Log));
  made.xOpen = Open;
  return made;
}

}  // namespace

const char* JoinedLogVfs() {
  static sqlite3_vfs vfs = MakeVfs();
  static const int registered = sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  if (registered != SQLITE_OK) spdlog::debug("SQLite takes no file system: {}", registered);
  return kName;
}

}  // namespace troupe
