#include "tools/base/cancel.h"

#include <map>
#include <optional>
#include <thread>

#include "tools/base/error.h"
#include "tools/base/mutex.h"

namespace troupe {
namespace internal {

struct CancelState {
  Mutex mutex;
  bool cancelled ABSL_GUARDED_BY(mutex) = false;
  CancelReason reason ABSL_GUARDED_BY(mutex) = CancelReason::kUser;
  std::string message ABSL_GUARDED_BY(mutex);
  uint64_t next_id ABSL_GUARDED_BY(mutex) = 1;
  uint64_t running_id ABSL_GUARDED_BY(mutex) = 0;
  std::thread::id running_thread ABSL_GUARDED_BY(mutex);
  std::map<uint64_t, std::function<void()>> callbacks ABSL_GUARDED_BY(mutex);
};

}  // namespace internal

std::string_view CancelReasonName(CancelReason reason) {
  switch (reason) {
    case CancelReason::kUser:
      return "user";
    case CancelReason::kDeadline:
      return "deadline";
    case CancelReason::kBudget:
      return "budget";
    case CancelReason::kRest:
      return "rest";
    case CancelReason::kShutdown:
      return "shutdown";
    case CancelReason::kAbandoned:
      return "abandoned";
    case CancelReason::kStoreFailed:
      return "store_failed";
  }
  return "unknown";
}

CancelRegistration::CancelRegistration(std::shared_ptr<internal::CancelState> state, uint64_t id)
    : state_(std::move(state)), id_(id) {}

CancelRegistration::CancelRegistration(CancelRegistration&& other) noexcept
    : state_(std::move(other.state_)), id_(other.id_) {}

CancelRegistration& CancelRegistration::operator=(CancelRegistration&& other) noexcept {
  if (this != &other) {
    Release();
    state_ = std::move(other.state_);
    id_ = other.id_;
  }
  return *this;
}

CancelRegistration::~CancelRegistration() { Release(); }

void CancelRegistration::Release() {
  if (state_ == nullptr) return;
  {
    MutexLock lock(&state_->mutex);
    state_->callbacks.erase(id_);
    // A callback that releases its own registration would wait for itself.
    if (state_->running_thread != std::this_thread::get_id()) {
      auto* state = state_.get();
      const uint64_t id = id_;
      auto not_running = [state, id]()
                             ABSL_NO_THREAD_SAFETY_ANALYSIS { return state->running_id != id; };
      state_->mutex.Await(Condition(&not_running));
    }
  }
  state_ = nullptr;
}

bool CancelToken::cancelled() const {
  if (state_ == nullptr) return false;
  MutexLock lock(&state_->mutex);
  return state_->cancelled;
}

absl::Status CancelToken::status() const {
  if (state_ == nullptr) return absl::OkStatus();
  MutexLock lock(&state_->mutex);
  if (!state_->cancelled) return absl::OkStatus();
  const Reason reason = state_->reason == CancelReason::kDeadline ? Reason::kDeadlineExceeded
                        : state_->reason == CancelReason::kBudget ? Reason::kBudgetExceeded
                                                                  : Reason::kCancelled;
  return Error(reason, state_->message,
               {{"cancel_reason", std::string(CancelReasonName(state_->reason))}});
}

CancelRegistration CancelToken::OnCancel(std::function<void()> callback) const {
  if (state_ == nullptr) return CancelRegistration();
  {
    MutexLock lock(&state_->mutex);
    if (!state_->cancelled) {
      const uint64_t id = state_->next_id++;
      state_->callbacks.emplace(id, std::move(callback));
      return CancelRegistration(state_, id);
    }
  }
  callback();
  return CancelRegistration();
}

CancelSource::CancelSource() : state_(std::make_shared<internal::CancelState>()) {}

CancelSource::CancelSource(const CancelToken& parent) : CancelSource() {
  std::weak_ptr<internal::CancelState> weak = state_;
  auto parent_state = parent.state_;
  auto forward = [weak, raw = parent_state.get()] {
    auto state = weak.lock();
    if (state == nullptr || raw == nullptr) return;
    CancelReason reason;
    std::string message;
    {
      MutexLock lock(&raw->mutex);
      reason = raw->reason;
      message = raw->message;
    }
    CancelSource child;
    child.state_ = state;
    child.Cancel(reason, std::move(message));
  };
  parent_ = std::make_shared<CancelRegistration>(parent.OnCancel(std::move(forward)));
}

void CancelSource::Cancel(CancelReason reason, std::string message) {
  auto state = state_;
  {
    MutexLock lock(&state->mutex);
    if (state->cancelled) return;
    state->cancelled = true;
    state->reason = reason;
    state->message = std::move(message);
    state->running_thread = std::this_thread::get_id();
  }
  for (;;) {
    std::function<void()> callback;
    {
      MutexLock lock(&state->mutex);
      state->running_id = 0;
      if (state->callbacks.empty()) {
        state->running_thread = std::thread::id();
        return;
      }
      auto first = state->callbacks.begin();
      state->running_id = first->first;
      callback = std::move(first->second);
      state->callbacks.erase(first);
    }
    callback();
  }
}

}  // namespace troupe
