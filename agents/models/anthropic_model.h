// A model behind Anthropic's Messages API. Thread-safe.
#pragma once

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"

namespace troupe {

// Sends each request once; see retrying_model.h and limited_model.h for what goes around it.
class AnthropicModel : public ChatModel {
 public:
  // `http` outlives the model.
  AnthropicModel(ModelConfig config, HttpClient* http);

  const std::string& name() const override { return config_.name; }
  const ModelCapabilities& capabilities() const override { return config_.capabilities; }
  CostEstimate Estimate(const ChatRequest& request) const override;
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  const ModelConfig config_;
  HttpClient* http_;
};

}  // namespace troupe
