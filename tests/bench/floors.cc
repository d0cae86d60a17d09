#include "tests/bench/floors.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <vector>

namespace troupe::bench {
namespace {

double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

size_t Discard(char*, size_t, size_t size, void* user) {
  *static_cast<size_t*>(user) += size;
  return size;
}

// A call that posts `body`; all that is given outlives it.
CURL* MakeCall(const std::string& url, curl_slist* headers, const std::string& body,
               size_t* received) {
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, Discard);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, received);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  return easy;
}

// libcurl told by epoll which sockets are ready.
class Multi {
 public:
  Multi() : multi_(curl_multi_init()), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, OnSocket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, OnTimer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 20'000L);
  }
  ~Multi() {
    curl_multi_cleanup(multi_);
    close(epoll_);
  }
  CURLM* get() { return multi_; }

  void Wait() {
    epoll_event events[256];
    const int wait = timeout_ms_ < 0 ? 100 : static_cast<int>(std::min(timeout_ms_, 100L));
    const int count = epoll_wait(epoll_, events, 256, wait);
    int running = 0;
    if (count == 0) curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    for (int i = 0; i < count; ++i) {
      const int flags = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                        ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0);
      curl_multi_socket_action(multi_, events[i].data.fd, flags, &running);
    }
  }
  void Kick() {
    int running = 0;
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  }

 private:
  static int OnSocket(CURL*, curl_socket_t fd, int what, void* user, void* known) {
    auto* self = static_cast<Multi*>(user);
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(self->epoll_, EPOLL_CTL_DEL, fd, nullptr);
      curl_multi_assign(self->multi_, fd, nullptr);
      return 0;
    }
    epoll_event event{};
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    event.data.fd = fd;
    epoll_ctl(self->epoll_, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    curl_multi_assign(self->multi_, fd, self);
    return 0;
  }
  static int OnTimer(CURLM*, long timeout_ms, void* user) {
    static_cast<Multi*>(user)->timeout_ms_ = timeout_ms;
    return 0;
  }

  CURLM* multi_;
  int epoll_;
  long timeout_ms_ = -1;
};

void Execute(sqlite3* database, const char* sql) {
  sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
}

}  // namespace

std::string RequestBody(int64_t bytes) {
  const std::string before = R"({"max_tokens":8192,"messages":[{"content":"[floor] )";
  const std::string after = R"(","role":"user"}],"model":"m"})";
  const int64_t around = static_cast<int64_t>(before.size() + after.size());
  const std::string text(static_cast<size_t>(std::max<int64_t>(1, bytes - around)), 'a');
  return before + text + after;
}

double CurlCpuPerCall(int port, int64_t calls, int concurrent, const std::string& body) {
  const double before = ThreadCpuSeconds();
  Multi multi;
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/v1/chat/completions";
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  headers = curl_slist_append(headers, "Expect:");
  std::vector<CURL*> handles;
  std::vector<size_t> received(static_cast<size_t>(concurrent), 0);
  for (int i = 0; i < concurrent; ++i) {
    CURL* easy = MakeCall(url, headers, body, &received[static_cast<size_t>(i)]);
    curl_multi_add_handle(multi.get(), easy);
    handles.push_back(easy);
  }
  int64_t started = concurrent;
  multi.Kick();
  for (int64_t done = 0; done < calls;) {
    multi.Wait();
    int left = 0;
    bool added = false;
    while (CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      CURL* easy = message->easy_handle;
      curl_multi_remove_handle(multi.get(), easy);
      ++done;
      if (started++ < calls) {
        curl_multi_add_handle(multi.get(), easy);
        added = true;
      }
    }
    if (added) multi.Kick();
  }
  for (CURL* easy : handles) {
    curl_multi_remove_handle(multi.get(), easy);
    curl_easy_cleanup(easy);
  }
  curl_slist_free_all(headers);
  return (ThreadCpuSeconds() - before) / static_cast<double>(calls);
}

double CurlSecondsPerCall(int port, int64_t calls, const std::string& body) {
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/v1/chat/completions";
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  size_t received = 0;
  CURL* easy = MakeCall(url, headers, body, &received);
  curl_easy_perform(easy);  // connects
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; ++i) curl_easy_perform(easy);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
  return spent.count() / static_cast<double>(calls);
}

double SqliteCpuPerCall(const std::string& folder, int64_t calls) {
  sqlite3* database = nullptr;
  sqlite3_open((folder + "/floor.db").c_str(), &database);
  Execute(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  Execute(database,
          "CREATE TABLE contents (id INTEGER PRIMARY KEY, hash BLOB UNIQUE, bytes BLOB);"
          "CREATE TABLE spans (id INTEGER PRIMARY KEY, task INTEGER, sequence INTEGER, path TEXT, "
          "state INTEGER, begin INTEGER, end INTEGER, request BLOB, result BLOB, text TEXT, "
          "UNIQUE (task, sequence))");
  sqlite3_stmt* content = nullptr;
  sqlite3_stmt* span = nullptr;
  sqlite3_prepare_v2(database, "INSERT INTO contents (hash, bytes) VALUES (?, ?)", -1, &content,
                     nullptr);
  sqlite3_prepare_v2(database,
                     "INSERT INTO spans (task, sequence, path, state, begin, end, request, result, "
                     "text) VALUES (?, ?, 'turn:1/reply:1', 1, 1, 2, ?, ?, ?)",
                     -1, &span, nullptr);
  const double before = ThreadCpuSeconds();
  std::string hash(32, 'h');
  const std::string bytes(300, 'b');
  const auto put = [&](int64_t number) {
    const uint64_t mixed = static_cast<uint64_t>(number) * 0x9E3779B97F4A7C15ULL;
    hash.replace(0, 8, reinterpret_cast<const char*>(&mixed), 8);
    sqlite3_bind_blob(content, 1, hash.data(), static_cast<int>(hash.size()), SQLITE_STATIC);
    sqlite3_bind_blob(content, 2, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    sqlite3_step(content);
    sqlite3_reset(content);
  };
  for (int64_t i = 0; i < calls; ++i) {
    if (i % 100 == 0) Execute(database, "BEGIN IMMEDIATE");
    put(2 * i);
    put(2 * i + 1);
    sqlite3_bind_int64(span, 1, i % 1000);
    sqlite3_bind_int64(span, 2, i);
    sqlite3_bind_blob(span, 3, hash.data(), 32, SQLITE_STATIC);
    sqlite3_bind_blob(span, 4, hash.data(), 32, SQLITE_STATIC);
    sqlite3_bind_text(span, 5, bytes.data(), 200, SQLITE_STATIC);
    sqlite3_step(span);
    sqlite3_reset(span);
    if (i % 100 == 99) Execute(database, "COMMIT");
  }
  Execute(database, "COMMIT");
  const double spent = ThreadCpuSeconds() - before;
  sqlite3_finalize(content);
  sqlite3_finalize(span);
  sqlite3_close(database);
  return spent / static_cast<double>(calls);
}

double FsyncSeconds(const std::string& folder) {
  constexpr int kRounds = 50;
  const int fd = open((folder + "/fsync").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string bytes(4096, 'x');
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) {
    [[maybe_unused]] const auto written = write(fd, bytes.data(), bytes.size());
    fsync(fd);
  }
  close(fd);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kRounds;
}

}  // namespace troupe::bench
