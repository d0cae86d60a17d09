// The Anthropic Messages protocol: requests out, replies and streams in.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>

#include "agents/models/model_config.h"
#include "tools/http/sse_parser.h"

namespace troupe {

// The body of POST /v1/messages. A reply schema becomes a tool that the model must call.
Json EncodeAnthropicRequest(const ChatRequest& request, const ModelConfig& config, bool stream);

// kModelBadReply if the reply has no content. The input of the schema's tool becomes the text.
absl::StatusOr<ChatReply> DecodeAnthropicReply(const Json& body, const ChatRequest& request,
                                               const ModelConfig& config);

// Puts a streamed reply together. Thread-confined.
class AnthropicStream {
 public:
  AnthropicStream(const ModelConfig& config, std::function<void(std::string_view)> on_text)
      : config_(config), on_text_(std::move(on_text)) {}
  absl::Status Take(const SseEvent& event);
  absl::StatusOr<ChatReply> Finish(const ChatRequest& request);

 private:
  const ModelConfig& config_;
  std::function<void(std::string_view)> on_text_;
  Json message_ = Json::object();
  std::map<int64_t, Json> blocks_;
  std::map<int64_t, std::string> inputs_;  // of tool_use blocks, as text
  bool stopped_ = false;
};

}  // namespace troupe
