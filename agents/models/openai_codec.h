// The chat-completions protocol as it is really spoken: requests out, replies and streams in.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>

#include "agents/models/model_config.h"
#include "tools/base/shared_text.h"

namespace troupe {

// The body of POST /chat/completions.
SharedText EncodeOpenAiRequest(const ChatRequest& request, const ModelConfig& config, bool stream);

// A whole reply. kModelBadReply if it has no message. Missing usage is estimated.
absl::StatusOr<ChatReply> DecodeOpenAiReply(const std::string& body, const ChatRequest& request,
                                            const ModelConfig& config);

// Puts a streamed reply together. Thread-confined.
class OpenAiStream {
 public:
  OpenAiStream(const ModelConfig& config, std::function<void(std::string_view)> on_text)
      : config_(config), on_text_(std::move(on_text)) {}

  // Takes the data of one event; kModelBadReply or what an error event says.
  absl::Status Take(const std::string& data);
  // kModelBadReply if the stream ended before the reply did.
  absl::StatusOr<ChatReply> Finish(const ChatRequest& request);

 private:
  struct Call {
    std::string id;
    std::string name;
    std::string arguments;
  };
  const ModelConfig& config_;
  std::function<void(std::string_view)> on_text_;
  std::string text_;
  std::map<int64_t, Call> calls_;
  std::string finish_;
  std::string response_id_;
  Json usage_;
  Json logprobs_ = Json::array();
  bool done_ = false;
};

}  // namespace troupe
