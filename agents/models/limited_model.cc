#include "agents/models/limited_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/pause.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

// What a bucket may save up, in minutes of its rate: short bursts pass, long ones are spread.
constexpr double kBurstMinutes = 0.1;

}  // namespace

LimitedModel::LimitedModel(std::unique_ptr<ChatModel> model, ModelLimits limits)
    : model_(std::move(model)), limits_(limits) {
  const absl::Time now = SteadyNow();
  const auto full = [&](int64_t per_minute) {
    const double rate = static_cast<double>(per_minute);
    return Bucket{rate, std::max(1.0, rate * kBurstMinutes), now};
  };
  MutexLock lock(&mutex_);
  requests_ = full(limits_.requests_per_minute);
  tokens_ = full(limits_.tokens_per_minute);
}

CostEstimate LimitedModel::Estimate(const ChatRequest& request) const {
  return model_->Estimate(request);
}

void LimitedModel::Bucket::Fill(absl::Time now) {
  level = std::min(std::max(1.0, per_minute * kBurstMinutes),
                   level + per_minute * absl::ToDoubleMinutes(now - filled));
  filled = now;
}

absl::Duration LimitedModel::Bucket::Wait(double amount) const {
  if (per_minute <= 0) return absl::ZeroDuration();
  // A call larger than the bucket goes when it is full, and leaves it in debt.
  const double needed = std::min(amount, std::max(1.0, per_minute * kBurstMinutes));
  if (level >= needed) return absl::ZeroDuration();
  return absl::Minutes((needed - level) / per_minute) + absl::Milliseconds(1);
}

absl::Duration LimitedModel::BookRates(double tokens) {
  MutexLock lock(&mutex_);
  const absl::Time now = SteadyNow();
  requests_.Fill(now);
  tokens_.Fill(now);
  const absl::Duration wait = std::max(requests_.Wait(1), tokens_.Wait(tokens));
  if (wait > absl::ZeroDuration()) return wait;
  requests_.level -= 1;
  tokens_.level -= tokens;
  return absl::ZeroDuration();
}

bool LimitedModel::TakeFreeSlot() {
  MutexLock lock(&mutex_);
  if (limits_.concurrency > 0 && running_ >= limits_.concurrency) return false;
  ++running_;
  return true;
}

AsyncStatus LimitedModel::WaitForSlot(const CancelToken& cancel) {
  uint64_t id = 0;
  {
    MutexLock lock(&mutex_);
    if (static_cast<int>(waiting_.size()) >= limits_.max_waiting) {
      co_return Error(
          Reason::kQueueFull,
          fmt::format("{} calls wait for model '{}' already; try later", waiting_.size(), name()),
          {{"model", name()}});
    }
    id = next_id_++;
  }
  CancelRegistration registration;
  auto admitted = co_await Suspend<bool>([&](Done<bool> admit) {
    {
      MutexLock lock(&mutex_);
      if (running_ >= limits_.concurrency) {
        waiting_.push_back({id, std::move(admit)});
        admit = nullptr;
      } else {
        ++running_;  // a slot was released meanwhile
      }
    }
    if (admit) admit(true);
    registration = cancel.OnCancel([this, id, cancel] {
      Done<bool> refused;
      {
        MutexLock lock(&mutex_);
        const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                        [&](const Waiter& waiter) { return waiter.id == id; });
        if (found == waiting_.end()) return;
        refused = std::move(found->admit);
        waiting_.erase(found);
      }
      refused(cancel.status());
    });
  });
  co_return admitted.status();
}

void LimitedModel::ReleaseSlot() {
  Done<bool> next;
  {
    MutexLock lock(&mutex_);
    if (waiting_.empty()) {
      --running_;
      return;
    }
    next = std::move(waiting_.front().admit);
    waiting_.pop_front();
  }
  next(true);
}

Async<ChatReply> LimitedModel::Complete(ChatCallPtr call) {
  const CancelToken& cancel = call->context.cancel;
  if (!TakeFreeSlot()) {
    CO_RETURN_IF_ERROR(co_await WaitForSlot(cancel));
  }
  const CostEstimate estimate = model_->Estimate(call->request);
  absl::Status ready;
  for (;;) {
    const absl::Duration wait = BookRates(static_cast<double>(estimate.input_tokens));
    if (wait <= absl::ZeroDuration()) break;
    ready = co_await Pause(wait, cancel);
    if (!ready.ok()) break;
  }
  if (!ready.ok()) {
    ReleaseSlot();
    co_return ready;
  }
  auto reply = co_await model_->Complete(std::move(call));
  if (reply.ok()) {
    MutexLock lock(&mutex_);
    tokens_.level -= static_cast<double>(reply->usage.output_tokens);
  }
  ReleaseSlot();
  co_return reply;
}

}  // namespace troupe
