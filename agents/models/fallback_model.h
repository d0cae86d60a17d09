// A chain of models: the next answers when the one before it cannot. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "agents/models/chat_model.h"

namespace troupe {

class FallbackModel : public ChatModel {
 public:
  // The chain has one model at least, all of which outlive this.
  FallbackModel(std::string name, std::vector<ChatModel*> chain);

  const std::string& name() const override { return name_; }
  // What every model of the chain can.
  const ModelCapabilities& capabilities() const override { return capabilities_; }
  // The worst of the chain.
  CostEstimate Estimate(const ChatRequest& request) const override;
  // Fails as the last model does.
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  const std::string name_;
  const std::vector<ChatModel*> chain_;
  ModelCapabilities capabilities_;
};

}  // namespace troupe
