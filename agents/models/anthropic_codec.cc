#include "agents/models/anthropic_codec.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "agents/models/tool_names.h"
#include "agents/models/wire.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

Json EncodeBlocks(const Message& message) {
  Json blocks = Json::array();
  if (message.role == MessageRole::kTool) {
    blocks.push_back({{"type", "tool_result"},
                      {"tool_use_id", message.tool_use_id},
                      {"content", message.text()}});
    return blocks;
  }
  for (const MessagePart& part : message.parts) {
    if (const auto* text = std::get_if<TextPart>(&part)) {
      if (!text->text.empty()) blocks.push_back({{"type", "text"}, {"text", text->text}});
    } else {
      const auto& image = std::get<ImagePart>(part);
      blocks.push_back({{"type", "image"},
                        {"source",
                         {{"type", "base64"},
                          {"media_type", image.media_type},
                          {"data", absl::Base64Escape(image.bytes)}}}});
    }
  }
  for (const ToolUse& use : message.tool_uses) {
    blocks.push_back({{"type", "tool_use"},
                      {"id", use.id},
                      {"name", WireToolName(use.name)},
                      {"input", use.arguments.is_null() ? Json::object() : use.arguments}});
  }
  return blocks;
}

Json EncodeToolChoice(const ChatRequest& request) {
  if (request.reply_schema.has_value()) {
    return {{"type", "tool"}, {"name", request.reply_schema->name}};
  }
  if (request.tool_choice == "required") return {{"type", "any"}};
  if (request.tool_choice == "auto" || request.tool_choice == "none") {
    return {{"type", request.tool_choice}};
  }
  return {{"type", "tool"}, {"name", WireToolName(request.tool_choice)}};
}

FinishReason DecodeStop(const std::string& reason) {
  if (reason == "end_turn" || reason == "stop_sequence") return FinishReason::kStop;
  if (reason == "max_tokens" || reason == "model_context_window_exceeded") {
    return FinishReason::kLength;
  }
  if (reason == "tool_use") return FinishReason::kToolUse;
  if (reason == "refusal") return FinishReason::kContentFilter;
  return FinishReason::kOther;
}

TokenUsage DecodeUsage(const Json& usage, const ChatRequest& request, const Message& message) {
  TokenUsage tokens;
  if (!usage.contains("input_tokens")) {  // servers that imitate the protocol leave it out
    tokens.estimated = true;
    tokens.input_tokens = EstimateTokens(request);
    tokens.output_tokens = EstimateTokens(message.text());
    return tokens;
  }
  tokens.cached_input_tokens = JsonInt(usage, "cache_read_input_tokens");
  // This protocol counts cached tokens apart; ours includes them.
  tokens.input_tokens = JsonInt(usage, "input_tokens") + tokens.cached_input_tokens +
                        JsonInt(usage, "cache_creation_input_tokens");
  tokens.output_tokens = JsonInt(usage, "output_tokens");
  return tokens;
}

}  // namespace

Json EncodeAnthropicRequest(const ChatRequest& request, const ModelConfig& config, bool stream) {
  Json body = {{"model", config.model},
               {"max_tokens", request.max_tokens.value_or(config.default_max_tokens)},
               {"messages", Json::array()}};
  std::string system;
  for (const Message* said : request.messages.InOrder()) {
    const Message& message = *said;
    if (message.role == MessageRole::kSystem) {
      system += (system.empty() ? "" : "\n\n") + message.text();
      continue;
    }
    const char* role = message.role == MessageRole::kAssistant ? "assistant" : "user";
    const Json blocks = EncodeBlocks(message);
    if (blocks.empty()) continue;  // an empty reply that is answered: empty content is refused
    // Two messages of one role in a row are one.
    if (!body["messages"].empty() && body["messages"].back()["role"] == role) {
      for (const Json& block : blocks) body["messages"].back()["content"].push_back(block);
    } else {
      body["messages"].push_back({{"role", role}, {"content", blocks}});
    }
  }
  if (!system.empty()) body["system"] = system;
  for (const ToolDeclaration& tool : request.tools) {
    body["tools"].push_back({{"name", WireToolName(tool.name)},
                             {"description", tool.description},
                             {"input_schema", tool.parameters}});
  }
  if (request.reply_schema.has_value()) {
    body["tools"].push_back({{"name", request.reply_schema->name},
                             {"description", "Gives the answer."},
                             {"input_schema", request.reply_schema->schema}});
  }
  if (body.contains("tools") &&
      (request.reply_schema.has_value() || !request.tool_choice.empty())) {
    body["tool_choice"] = EncodeToolChoice(request);
  }
  if (request.temperature.has_value()) body["temperature"] = *request.temperature;
  if (request.top_p.has_value()) body["top_p"] = *request.top_p;
  if (!request.stop.empty()) body["stop_sequences"] = request.stop;
  if (stream) body["stream"] = true;
  return body;
}

absl::StatusOr<ChatReply> DecodeAnthropicReply(const Json& body, const ChatRequest& request,
                                               const ModelConfig& config) {
  if (!body.is_object() || !body.contains("content") || !body["content"].is_array()) {
    return BadReply(config, "the reply has no content");
  }
  ChatReply reply;
  reply.response_id = JsonString(body, "id");
  std::string text;
  bool answered = false;
  for (const Json& block : body["content"]) {
    const std::string type = JsonString(block, "type");
    if (type == "text" && !answered) text += JsonString(block, "text");
    if (type != "tool_use") continue;
    const std::string name = JsonString(block, "name");
    const Json& input = JsonObject(block, "input");
    if (request.reply_schema.has_value() && name == request.reply_schema->name) {
      text = DumpJson(input);
      answered = true;
    } else {
      reply.message.tool_uses.push_back({JsonString(block, "id"), name, input, ""});
    }
  }
  std::vector<ToolUse> uses = std::move(reply.message.tool_uses);
  reply.message = AssistantMessage(text);
  reply.message.tool_uses = std::move(uses);
  RestoreToolNames(request, reply.message);
  reply.finish = DecodeStop(JsonString(body, "stop_reason"));
  if (answered && reply.finish == FinishReason::kToolUse) reply.finish = FinishReason::kStop;
  reply.usage = DecodeUsage(JsonObject(body, "usage"), request, reply.message);
  reply.cost_microusd = CostOf(reply.usage, config.price);
  reply.model = config.name;
  return reply;
}

absl::Status AnthropicStream::Take(const SseEvent& event) {
  const auto data = ParseJson(event.data, "an event of the stream");
  if (!data.ok()) return BadReply(config_, MessageOf(data.status()));
  const std::string type = JsonString(*data, "type", event.name);
  const int64_t index = JsonInt(*data, "index");
  if (type == "error") {
    HttpResponse refusal;  // an error that came after the status 200
    refusal.status = 529;
    refusal.body = event.data;
    return RefusalOf(refusal, config_, absl::Now());
  }
  if (type == "message_start") message_ = JsonObject(*data, "message");
  if (type == "content_block_start") {
    blocks_[index] = JsonObject(*data, "content_block");
  }
  if (type == "content_block_delta") {
    const Json& delta = JsonObject(*data, "delta");
    if (JsonString(delta, "type") == "input_json_delta") {
      inputs_[index] += JsonString(delta, "partial_json");
    } else if (const std::string piece = JsonString(delta, "text"); !piece.empty()) {
      blocks_[index]["text"] = JsonString(blocks_[index], "text") + piece;
      if (on_text_) on_text_(piece);
    }
  }
  if (type == "message_delta") {
    message_["stop_reason"] = JsonString(JsonObject(*data, "delta"), "stop_reason");
    Json usage = JsonObject(message_, "usage");
    usage.update(JsonObject(*data, "usage"));
    message_["usage"] = std::move(usage);
  }
  if (type == "message_stop") stopped_ = true;
  return absl::OkStatus();
}

absl::StatusOr<ChatReply> AnthropicStream::Finish(const ChatRequest& request) {
  if (!stopped_) return BadReply(config_, "the stream ended before the reply");
  message_["content"] = Json::array();
  for (auto& [index, block] : blocks_) {
    if (const auto input = inputs_.find(index); input != inputs_.end()) {
      const auto parsed = ParseJson(input->second.empty() ? "{}" : input->second, "a tool's input");
      if (!parsed.ok()) return BadReply(config_, MessageOf(parsed.status()));
      block["input"] = *parsed;
    }
    message_["content"].push_back(block);
  }
  return DecodeAnthropicReply(message_, request, config_);
}

}  // namespace troupe
