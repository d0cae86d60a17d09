// Mutex: a lock whose waiters wait for conditions, in the manner of absl::Mutex, but over
// std::mutex: the thread sanitizer does not see into Abseil's as Debian packages it.
//
//   MutexLock lock(&mutex_);
//   const auto ready = [this] { return !queue_.empty(); };
//   mutex_.Await(Condition(&ready));
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/time/time.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "tools/base/steady_time.h"

namespace troupe {

// What a waiter waits for; evaluated with the lock held.
class Condition {
 public:
  explicit Condition(const bool* value) : holds_([value] { return *value; }) {}
  template <typename Predicate>
  explicit Condition(const Predicate* predicate) : holds_([predicate] { return (*predicate)(); }) {}
  bool Holds() const { return holds_(); }

 private:
  std::function<bool()> holds_;
};

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  // Whether the lock was free, and is held now. Not for a thread that holds it.
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return mutex_.try_lock(); }
  // Who holds the lock next may destroy this: nothing of it is touched once the lock is free.
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    if (waiters_ > 0) changed_.notify_all();
    mutex_.unlock();
  }

  // The same where nobody destroys this: who waits is notified when the lock is free, and so need
  // not wait for it once more.
  void UnlockThenNotify() ABSL_UNLOCK_FUNCTION() {
    const bool notify = waiters_ > 0;
    mutex_.unlock();
    if (notify) changed_.notify_all();
  }

  // Gives the lock up until the condition holds. Call with the lock held.
  void Await(const Condition& condition) {
    Wait(condition, [this](std::unique_lock<std::mutex>& lock) {
      changed_.wait(lock);
      return true;
    });
  }
  // False if the time passed first. `deadline` is one of SteadyNow.
  bool AwaitWithDeadline(const Condition& condition, absl::Time deadline) {
    return Wait(condition, [&](std::unique_lock<std::mutex>& lock) {
      const absl::Duration left = deadline - SteadyNow();
      if (left <= absl::ZeroDuration()) return false;
      changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
      return true;
    });
  }
  bool AwaitWithTimeout(const Condition& condition, absl::Duration timeout) {
    return AwaitWithDeadline(condition, SteadyNow() + timeout);
  }

 private:
  // Waits by `wait` until the condition holds or `wait` says that there is no time left.
  template <typename WaitOnce>
  bool Wait(const Condition& condition, WaitOnce wait) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex_, std::adopt_lock);
    ++waiters_;
    bool holds = condition.Holds();
    while (!holds && wait(lock)) holds = condition.Holds();
    --waiters_;
    lock.release();
    return holds;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int waiters_ = 0;  // guarded by mutex_
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace troupe
