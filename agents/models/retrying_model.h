// Sends a request again after failures that may pass: exponential backoff with full jitter, or as
// long as the server asks. Thread-safe.
#pragma once

#include <memory>

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"

namespace troupe {

class RetryingModel : public ChatModel {
 public:
  RetryingModel(std::unique_ptr<ChatModel> model, ModelRetries retries);

  const std::string& name() const override { return model_->name(); }
  const ModelCapabilities& capabilities() const override { return model_->capabilities(); }
  CostEstimate Estimate(const ChatRequest& request) const override;
  // Fails as the wrapped model does the last time.
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  absl::Duration WaitBefore(int attempt, const absl::Status& failure) const;

  std::unique_ptr<ChatModel> model_;
  const ModelRetries retries_;
};

}  // namespace troupe
