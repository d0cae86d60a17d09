// ApiThreads: the threads that answer calls, and the gate before them: a bounded number of calls
// may be at work or wait at once, so that a flood of calls is refused and not stored. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <asio/thread_pool.hpp>
#include <atomic>

#include "tools/base/error.h"

namespace troupe {

class ApiThreads {
 public:
  ApiThreads(int threads, int64_t max_calls)
      : pool_(static_cast<size_t>(threads)), max_calls_(max_calls) {}

  asio::thread_pool& pool() { return pool_; }

  // kQueueFull if too many calls are in. Otherwise to be followed by Leave when the call ends.
  absl::Status Enter() {
    if (in_.fetch_add(1) < max_calls_) return absl::OkStatus();
    Leave();
    return Error(Reason::kQueueFull,
                 fmt::format("{} calls are at work already; try later", max_calls_),
                 {{"limit", "server.max_calls"}});
  }
  void Leave() { in_.fetch_sub(1); }

 private:
  asio::thread_pool pool_;
  const int64_t max_calls_;
  std::atomic<int64_t> in_ = 0;
};

}  // namespace troupe
