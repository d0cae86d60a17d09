#include "agents/models/model_config.h"

namespace troupe {
namespace {

constexpr int64_t kBytesPerToken = 4;
constexpr int64_t kTokensPerMessage = 4;
constexpr int64_t kTokensPerImage = 1200;
constexpr int64_t kMillion = 1'000'000;

int64_t TokensOf(const Message& message) {
  int64_t tokens = kTokensPerMessage;
  for (const MessagePart& part : message.parts) {
    const auto* text = std::get_if<TextPart>(&part);
    tokens += text != nullptr ? EstimateTokens(text->text) : kTokensPerImage;
  }
  for (const ToolUse& use : message.tool_uses) {
    tokens += EstimateTokens(use.name) + EstimateTokens(DumpJson(use.arguments));
  }
  return tokens;
}

// Counts what was not counted for an earlier request of the same conversation.
int64_t TokensOf(const Conversation& conversation) {
  std::vector<const Conversation::Node*> uncounted;
  const Conversation::Node* node = conversation.last();
  while (node != nullptr && node->estimated_tokens < 0) {
    uncounted.push_back(node);
    node = node->previous.get();
  }
  int64_t tokens = node == nullptr ? 0 : node->estimated_tokens;
  for (auto next = uncounted.rbegin(); next != uncounted.rend(); ++next) {
    tokens += TokensOf((*next)->message);
    (*next)->estimated_tokens = tokens;
  }
  return tokens;
}

}  // namespace

int64_t CostOf(const TokenUsage& usage, const ModelPrice& price) {
  const int64_t fresh = usage.input_tokens - usage.cached_input_tokens;
  const int64_t total = fresh * price.input + usage.cached_input_tokens * price.cached_input +
                        usage.output_tokens * price.output;
  return (total + kMillion - 1) / kMillion;
}

int64_t EstimateTokens(std::string_view text) {
  return (static_cast<int64_t>(text.size()) + kBytesPerToken - 1) / kBytesPerToken;
}

int64_t EstimateTokens(const ChatRequest& request) {
  int64_t tokens = TokensOf(request.messages);
  for (const ToolDeclaration& tool : request.tools) {
    tokens += EstimateTokens(tool.description) + EstimateTokens(DumpJson(tool.parameters));
  }
  return tokens;
}

CostEstimate EstimateCost(const ChatRequest& request, const ModelConfig& config) {
  CostEstimate estimate;
  estimate.input_tokens = EstimateTokens(request);
  estimate.max_output_tokens = request.max_tokens.value_or(config.default_max_tokens);
  TokenUsage worst;
  worst.input_tokens = estimate.input_tokens;
  worst.output_tokens = estimate.max_output_tokens;
  estimate.max_cost_microusd = CostOf(worst, config.price);
  return estimate;
}

std::string Redact(std::string text, const std::string& secret) {
  if (secret.empty()) return text;
  for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), "[key]");
  }
  return text;
}

}  // namespace troupe
