// A model and a tool that count their calls.
#pragma once

#include <algorithm>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "agents/models/chat_model.h"
#include "tools/base/status_macros.h"
#include "tools/tool.h"

namespace troupe {

// Answers as `reply` says and counts its calls.
class CountingModel : public ChatModel, public ModelDirectory {
 public:
  const std::string& name() const override { return name_; }
  const ModelCapabilities& capabilities() const override { return capabilities_; }
  CostEstimate Estimate(const ChatRequest&) const override { return estimate; }
  Async<ChatReply> Complete(ChatCallPtr call) override {
    ++calls;
    most_at_once = std::max(most_at_once, ++at_work);
    for (int i = 0; i < yields; ++i) co_await asio::post(asio::use_awaitable);
    --at_work;
    CO_RETURN_IF_ERROR(call->context.cancel.status());
    co_return reply(call->request);
  }
  absl::StatusOr<ChatModel*> ForRole(std::string_view, std::string_view) const override {
    return const_cast<CountingModel*>(this);
  }

  std::atomic<int> calls = 0;
  int yields = 0;  // times that a call lets others run before it answers
  int at_work = 0;
  int most_at_once = 0;
  CostEstimate estimate{10, 10, 100};
  std::function<absl::StatusOr<ChatReply>(const ChatRequest&)> reply =
      [](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
    ChatReply reply;
    reply.message = AssistantMessage("echo " + request.messages.back().text());
    reply.usage = {10, 0, 5, 0, false};
    reply.cost_microusd = 50;
    reply.model = "counting";
    return reply;
  };

 private:
  const std::string name_ = "counting";
  ModelCapabilities capabilities_;
};

// Counts its calls.
class CountingTool : public Tool {
 public:
  CountingTool(std::string name, bool idempotent, std::string version = "") {
    spec_.name = std::move(name);
    spec_.version = std::move(version);
    spec_.idempotent = idempotent;
    spec_.arguments_schema = {{"type", "object"}};
    spec_.result_schema = Json::object();
  }
  const ToolSpec& spec() const override { return spec_; }
  ToolSpec& changeable_spec() { return spec_; }
  Async<ToolResult> Call(ToolCall) override {
    ++calls;
    if (on_call) CO_RETURN_IF_ERROR(on_call());
    ToolResult result;
    result.value = calls.load();
    co_return result;
  }
  void Recall(const ToolCall&, const ToolResult&) override { ++recalls; }
  bool holds_state() const override { return holding; }

  std::atomic<int> calls = 0;
  std::atomic<int> recalls = 0;
  std::function<absl::Status()> on_call;
  bool holding = false;

 private:
  ToolSpec spec_;
};

}  // namespace troupe
