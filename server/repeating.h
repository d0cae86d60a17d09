// Repeating: a piece of work that a pool's threads do again and again, with pauses, until stopped.
// It outlives what the pool runs: stop it, join the pool, destroy it. Thread-safe.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/time/time.h>

#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <functional>

#include "tools/base/mutex.h"

namespace troupe {

class Repeating {
 public:
  // `work` returns how long to wait before it is done again.
  Repeating(asio::thread_pool& threads, absl::Duration first_pause,
            std::function<absl::Duration()> work)
      : work_(std::move(work)), timer_(threads) {
    Schedule(first_pause);
  }
  Repeating(const Repeating&) = delete;
  Repeating& operator=(const Repeating&) = delete;

  // The work does not begin again. One round may be under way still.
  void Stop() {
    MutexLock lock(&mutex_);
    stopped_ = true;
    timer_.cancel();
  }

 private:
  void Schedule(absl::Duration pause) {
    // A round that was under way while Stop was called must not wait for another.
    MutexLock lock(&mutex_);
    if (stopped_) return;
    timer_.expires_after(absl::ToChronoNanoseconds(pause));
    timer_.async_wait([this](asio::error_code cancelled) {
      if (!cancelled) Schedule(work_());
    });
  }

  const std::function<absl::Duration()> work_;
  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  asio::steady_timer timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
