// A library for LD_PRELOAD that puts a server under faults which need the operating system's help:
// a clock that jumps, a disk that refuses writes, and a power cut, for which it keeps note of what
// was written and not yet synced. The harness sets the faults in a page of memory that both map.
//
// Built for tests alone. It is small on purpose: libfaketime would do for the clock, but it also
// shifts what only measures durations (the monotonic clock, waits), where a clock that somebody
// sets does not.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int kMaxUnsynced = 8192;

// One write that a power cut could undo.
struct Unsynced {
  int64_t file;  // 1: the database, 2: its write-ahead log
  int64_t offset;
  int64_t size;
};

// The page, as tests/fault/shim.py writes and reads it.
struct Page {
  std::atomic<int64_t> clock_offset;  // nanoseconds
  std::atomic<int64_t> write_error;   // what writes below the data folder fail with; 0: they do not
  std::atomic<int64_t> refused;       // how many writes failed so
  std::atomic<int64_t> unsynced_count;
  Unsynced unsynced[kMaxUnsynced];
};

Page* page = nullptr;
char data_folder[4096];
pthread_mutex_t unsynced_lock = PTHREAD_MUTEX_INITIALIZER;

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

__attribute__((constructor)) void MapPage() {
  const char* file = getenv("TROUPE_FAULT_PAGE");
  const char* folder = getenv("TROUPE_FAULT_DATA");
  if (file == nullptr || folder == nullptr) return;
  snprintf(data_folder, sizeof(data_folder), "%s/", folder);
  const int descriptor = open(file, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void* mapped = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (mapped != MAP_FAILED) page = static_cast<Page*>(mapped);
}

int64_t ClockOffset() { return page == nullptr ? 0 : page->clock_offset.load(); }

timespec Shifted(const timespec& time, int64_t by) {
  const int64_t whole = time.tv_sec * kSecond + time.tv_nsec + by;
  return {static_cast<time_t>(whole / kSecond), static_cast<long>(whole % kSecond)};
}

// The part of the descriptor's path behind the data folder; null if it is elsewhere.
const char* BelowData(int descriptor, char (&path)[4096]) {
  if (page == nullptr) return nullptr;
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  const ssize_t size = readlink(link, path, sizeof(path) - 1);
  if (size <= 0) return nullptr;
  path[size] = '\0';
  const size_t prefix = strlen(data_folder);
  return strncmp(path, data_folder, prefix) == 0 ? path + prefix : nullptr;
}

int64_t FileOf(const char* name) {
  if (strcmp(name, "troupe.db") == 0) return 1;
  return strcmp(name, "troupe.db-wal") == 0 ? 2 : 0;
}

// Whether the write must fail; notes it otherwise, if it is one that a power cut could undo.
bool Refused(int descriptor, int64_t offset, size_t size) {
  char path[4096];
  const char* name = BelowData(descriptor, path);
  if (name == nullptr) return false;
  if (const int64_t error = page->write_error.load(); error != 0) {
    ++page->refused;
    errno = static_cast<int>(error);
    return true;
  }
  const int64_t file = FileOf(name);
  if (file == 0 || offset < 0) return false;
  pthread_mutex_lock(&unsynced_lock);
  const int64_t count = page->unsynced_count.load();
  if (count < kMaxUnsynced) page->unsynced[count] = {file, offset, static_cast<int64_t>(size)};
  // Noted before it is done: a kill in between undoes nothing that was synced.
  page->unsynced_count.store(count + 1);
  pthread_mutex_unlock(&unsynced_lock);
  return false;
}

void NoteSynced(int descriptor) {
  char path[4096];
  const char* name = BelowData(descriptor, path);
  const int64_t file = name == nullptr ? 0 : FileOf(name);
  if (file == 0) return;
  pthread_mutex_lock(&unsynced_lock);
  const int64_t count = page->unsynced_count.load();
  int64_t kept = 0;
  for (int64_t i = 0; i < count && i < kMaxUnsynced; ++i) {
    if (page->unsynced[i].file != file) page->unsynced[kept++] = page->unsynced[i];
  }
  page->unsynced_count.store(kept);
  pthread_mutex_unlock(&unsynced_lock);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  static auto* const real = Real<int(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, time);
  const bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (result == 0 && wall) *time = Shifted(*time, ClockOffset());
  return result;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

// Waits until a time of day: the kernel's clock has not jumped, so the time is taken back to it.
int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* until) {
  static auto* const real =
      reinterpret_cast<int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*)>(
          dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"));
  const timespec shifted = Shifted(*until, -ClockOffset());
  return real(condition, mutex, &shifted);
}

long syscall(long number, ...) noexcept {
  static auto* const real = Real<long(long, ...)>("syscall");
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  timespec shifted;
  if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) != 0 && a[3] != 0) {
    shifted = Shifted(*reinterpret_cast<const timespec*>(a[3]), -ClockOffset());
    a[3] = reinterpret_cast<long>(&shifted);
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static auto* const real = Real<ssize_t(int, const void*, size_t)>("write");
  if (page != nullptr && page->write_error.load() != 0 && Refused(descriptor, -1, size)) return -1;
  return real(descriptor, bytes, size);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
  static auto* const real = Real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  if (Refused(descriptor, offset, size)) return -1;
  return real(descriptor, bytes, size, offset);
}

int ftruncate64(int descriptor, off64_t size) noexcept {
  static auto* const real = Real<int(int, off64_t)>("ftruncate64");
  if (Refused(descriptor, -1, 0)) return -1;
  return real(descriptor, size);
}

int fdatasync(int descriptor) {
  static auto* const real = Real<int(int)>("fdatasync");
  if (Refused(descriptor, -1, 0)) return -1;
  const int result = real(descriptor);
  if (result == 0) NoteSynced(descriptor);
  return result;
}

int fsync(int descriptor) {
  static auto* const real = Real<int(int)>("fsync");
  if (Refused(descriptor, -1, 0)) return -1;
  const int result = real(descriptor);
  if (result == 0) NoteSynced(descriptor);
  return result;
}

}  // extern "C"
