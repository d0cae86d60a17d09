#include "tools/call_gate.h"

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxWaiting = 10'000;

}  // namespace

Async<CallGate::Pass> CallGate::Enter(CancelToken cancel) {
  const auto waiter = std::make_shared<Waiter>();
  CancelRegistration registration;
  const auto start = [this, &waiter, &cancel, &registration](Done<bool> done) {
    absl::StatusOr<bool> entered = EnterOrWait(waiter, done);
    if (!entered.ok() || *entered) return done(std::move(entered));
    registration = cancel.OnCancel([gate = shared_from_this(), waiter = waiter, cancel = cancel] {
      gate->GiveUp(waiter, cancel.status());
    });
  };
  CO_RETURN_IF_ERROR((co_await Suspend<bool>(start)).status());
  co_return Pass(shared_from_this());
}

absl::StatusOr<bool> CallGate::EnterOrWait(const std::shared_ptr<Waiter>& waiter,
                                           const Done<bool>& done) {
  MutexLock lock(&mutex_);
  if (running_ < limit_) {
    ++running_;
    return true;
  }
  if (waiting_.size() >= kMaxWaiting) {
    return Error(Reason::kQueueFull, "too many calls of the tool wait; try again later");
  }
  waiter->done = done;
  waiting_.push_back(waiter);
  return false;
}

void CallGate::GiveUp(const std::shared_ptr<Waiter>& waiter, const absl::Status& why) {
  Done<bool> done;
  {
    MutexLock lock(&mutex_);
    done = std::exchange(waiter->done, nullptr);
    std::erase(waiting_, waiter);
  }
  if (done != nullptr) done(why);
}

void CallGate::Leave() {
  Done<bool> next;
  {
    MutexLock lock(&mutex_);
    if (waiting_.empty()) {
      --running_;
    } else {
      next = std::exchange(waiting_.front()->done, nullptr);
      waiting_.pop_front();
    }
  }
  if (next != nullptr) next(true);
}

}  // namespace troupe
