// A model whose calls wait until a test answers them. Thread-confined.
#pragma once

#include <deque>
#include <string>
#include <utility>

#include "agents/models/chat_model.h"
#include "tools/base/suspend.h"

namespace troupe {

class HeldModel : public ChatModel {
 public:
  explicit HeldModel(std::string name = "held") : name_(std::move(name)) {}
  const std::string& name() const override { return name_; }
  const ModelCapabilities& capabilities() const override { return can; }
  CostEstimate Estimate(const ChatRequest&) const override { return estimate; }
  Async<ChatReply> Complete(ChatCallPtr call) override {
    const ChatRequest& request = call->request;
    asked.push_back(request.messages.empty() ? "" : request.messages.back().text());
    co_return co_await Suspend<ChatReply>(
        [this](Done<ChatReply> done) { held.push_back(std::move(done)); });
  }

  // Answers the call that waits longest.
  void Answer(absl::StatusOr<ChatReply> reply) {
    Done<ChatReply> done = std::move(held.front());
    held.pop_front();
    done(std::move(reply));
  }
  void Answer(const std::string& text) {
    ChatReply reply;
    reply.message = AssistantMessage(text);
    reply.model = name_;
    Answer(std::move(reply));
  }

  std::deque<Done<ChatReply>> held;
  std::vector<std::string> asked;
  ModelCapabilities can;
  CostEstimate estimate;

 private:
  const std::string name_;
};

}  // namespace troupe
