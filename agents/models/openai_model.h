// A model behind an OpenAI-compatible server: OpenAI, llama.cpp, vLLM, Ollama and others.
// Thread-safe.
#pragma once

#include <memory>

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"

namespace troupe {

// Sends each request once; see retrying_model.h and limited_model.h for what goes around it.
class OpenAiModel : public ChatModel {
 public:
  // `http` outlives the model.
  OpenAiModel(ModelConfig config, HttpClient* http);

  const std::string& name() const override { return config_.name; }
  const ModelCapabilities& capabilities() const override { return config_.capabilities; }
  CostEstimate Estimate(const ChatRequest& request) const override;
  Async<ChatReply> Complete(ChatRequest request, ChatContext context) override;

 private:
  HttpRequest Post(std::string body) const;

  const ModelConfig config_;
  HttpClient* http_;
};

}  // namespace troupe
