// CallGate: lets so many calls of a tool run at the same time; the others wait in the order in
// which they came. Thread-safe.
#pragma once

#include <deque>
#include <memory>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/mutex.h"
#include "tools/base/suspend.h"

namespace troupe {

class CallGate : public std::enable_shared_from_this<CallGate> {
 public:
  // The right to run; given back when it is destroyed.
  class Pass {
   public:
    Pass() = default;
    explicit Pass(std::shared_ptr<CallGate> gate) : gate_(std::move(gate)) {}
    Pass(Pass&&) noexcept = default;
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    std::shared_ptr<CallGate> gate_;
  };

  explicit CallGate(int limit) : limit_(limit) {}

  // Waits for room, or until cancelled. kQueueFull if too many wait already.
  Async<Pass> Enter(CancelToken cancel);

 private:
  struct Waiter {
    Done<bool> done;  // null when it has been told
  };

  // True if there is room, which is taken then; else `waiter` waits.
  absl::StatusOr<bool> EnterOrWait(const std::shared_ptr<Waiter>& waiter, const Done<bool>& done);
  void GiveUp(const std::shared_ptr<Waiter>& waiter, const absl::Status& why);
  void Leave();

  const int limit_;
  Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::shared_ptr<Waiter>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
