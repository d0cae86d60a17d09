// One call of a model: what is asked and what it answers, the same for every backend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agents/models/conversation.h"
#include "agents/models/message.h"
#include "tools/base/json.h"

namespace troupe {

struct ToolDeclaration {
  std::string name;
  std::string description;
  Json parameters;  // JSON Schema
};

// A reply that must be JSON valid by a schema.
struct ReplySchema {
  std::string name;  // [a-zA-Z0-9_-]{1,64}
  Json schema;
};

struct ChatRequest {
  Conversation messages;
  std::vector<ToolDeclaration> tools;
  std::string tool_choice;  // "", "auto", "none", "required" or a tool's name
  std::optional<ReplySchema> reply_schema;
  std::optional<double> temperature;  // 0 to 2
  std::optional<double> top_p;        // 0 to 1
  std::optional<int64_t> max_tokens;  // of the reply
  std::optional<int64_t> seed;
  std::vector<std::string> stop;  // at most 4
  int top_logprobs = 0;           // 0: none wanted; at most 20
  std::string prompt;  // what it was rendered from, "cellagent.planner@2"; noted, never sent
};

// Tokens of one call. input_tokens includes the cached ones, output_tokens the reasoning ones.
struct TokenUsage {
  int64_t input_tokens = 0;
  int64_t cached_input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t reasoning_tokens = 0;
  bool estimated = false;  // the backend did not say: counted from the text
};

enum class FinishReason { kStop, kLength, kToolUse, kContentFilter, kOther };

struct TokenLogprob {
  std::string token;
  double logprob = 0;
  std::vector<std::pair<std::string, double>> alternatives;
};

struct ChatReply {
  Message message;
  FinishReason finish = FinishReason::kStop;
  TokenUsage usage;
  int64_t cost_microusd = 0;  // by the price in the config; 0 without one
  std::string model;          // the config's name of the model that answered
  std::string response_id;
  std::vector<TokenLogprob> logprobs;
  int attempts = 1;  // requests sent until this reply came
};

}  // namespace troupe
