// A chat-completions server for measuring: one epoll thread that answers every request after a set
// latency with a reply of a set size, and measures what lies between a reply and the task's next
// request. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tests/bench/words.h"
#include "tools/base/mutex.h"

namespace troupe::bench {

class ChatServer {
 public:
  struct Options {
    std::chrono::microseconds latency{50'000};
    size_t reply_bytes = 120;
    std::string message;   // JSON of every reply's message, in place of text of that size
    int calls_a_task = 0;  // after which a task is finished; 0: not counted
  };
  explicit ChatServer(Options options);
  ~ChatServer();
  ChatServer(const ChatServer&) = delete;
  ChatServer& operator=(const ChatServer&) = delete;

  int port() const { return port_; }
  int64_t served() const { return served_; }
  // Tasks that had all their calls answered.
  int64_t finished() const { return finished_; }
  // Blocks until `count` requests were served in all; false after `limit`.
  bool WaitForServed(int64_t count, std::chrono::seconds limit) const;
  // The same for finished tasks.
  bool WaitForFinished(int64_t count, std::chrono::seconds limit) const;
  // CPU time of the server's thread.
  double CpuSeconds() const;
  // Milliseconds from a reply to the next request of the same task ("[task N]" in the first lines),
  // sorted; of replies since the last MeasureAdded.
  std::vector<double> AddedMilliseconds() const;
  void MeasureAdded();
  // Seconds from the first to the last reply since StartClock.
  double SecondsOfReplies() const { return static_cast<double>(last_reply_ - first_reply_) * 1e-9; }
  void StartClock() { first_reply_ = 0; }
  // Every text it ever sent, in bytes.
  int64_t reply_text_bytes() const { return reply_text_bytes_; }
  // The bodies of all requests that it took, in bytes.
  int64_t request_bytes() const { return request_bytes_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Peer {
    std::string in;
    std::string out;
  };
  struct Due {
    Clock::time_point at;
    int fd;
    uint64_t generation;
    int64_t task;
  };

  void Run();
  void Accept();
  void Read(int fd);
  // Takes whole requests out of what has come.
  void TakeRequests(int fd, Peer& peer);
  void AnswerDue(Clock::time_point now);
  void NoteReply(int64_t task, Clock::time_point now);
  void Flush(int fd, Peer& peer);
  void Close(int fd);
  std::string MakeReply();

  const Options options_;
  int listener_ = -1;
  int epoll_ = -1;
  int timer_ = -1;
  int stop_ = -1;
  int port_ = 0;
  std::unordered_map<int, Peer> peers_;
  std::unordered_map<int, uint64_t> generations_;  // tells a socket's number from its next use
  std::deque<Due> due_;                            // the latency is one, so the order is
  struct Replied {
    Clock::time_point at;
    int calls = 0;
  };
  std::unordered_map<int64_t, Replied> replied_;  // by task
  std::atomic<int64_t> served_ = 0;
  std::atomic<int64_t> finished_ = 0;
  std::atomic<int64_t> reply_text_bytes_ = 0;
  std::atomic<int64_t> request_bytes_ = 0;
  std::atomic<int64_t> first_reply_ = 0;  // nanoseconds of Clock; 0: none yet
  std::atomic<int64_t> last_reply_ = 0;
  mutable Mutex mutex_;
  std::vector<double> added_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point added_since_ ABSL_GUARDED_BY(mutex_);
  Words words_{88172645463325252ULL};
  std::thread thread_;
};

}  // namespace troupe::bench
