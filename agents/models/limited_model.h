// Keeps a backend within its limits: calls at once, requests and tokens a minute. Calls wait their
// turn in order of arrival. Thread-safe.
#pragma once

#include <absl/base/thread_annotations.h>

#include <deque>
#include <memory>

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"
#include "tools/base/mutex.h"
#include "tools/base/suspend.h"

namespace troupe {

class LimitedModel : public ChatModel {
 public:
  LimitedModel(std::unique_ptr<ChatModel> model, ModelLimits limits);

  const std::string& name() const override { return model_->name(); }
  const ModelCapabilities& capabilities() const override { return model_->capabilities(); }
  CostEstimate Estimate(const ChatRequest& request) const override;
  // Fails with kQueueFull if too many calls wait, else as the wrapped model does.
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  // A bucket that fills with `per_minute` a minute and holds a tenth of it at most.
  struct Bucket {
    double per_minute = 0;  // 0: no limit
    double level = 0;
    absl::Time filled;
    void Fill(absl::Time now);
    absl::Duration Wait(double amount) const;
  };
  struct Waiter {
    uint64_t id;
    Done<bool> admit;
  };

  // Takes a slot if one is free.
  bool TakeFreeSlot();
  AsyncStatus WaitForSlot(const CancelToken& cancel);
  void ReleaseSlot();
  // How long until the rates allow a call of `tokens`; zero: it is booked.
  absl::Duration BookRates(double tokens);

  std::unique_ptr<ChatModel> model_;
  const ModelLimits limits_;
  Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<Waiter> waiting_ ABSL_GUARDED_BY(mutex_);
  Bucket requests_ ABSL_GUARDED_BY(mutex_);
  Bucket tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
