#include "agents/models/openai_codec.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <fmt/format.h>

#include "agents/models/tool_names.h"
#include "agents/models/wire.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr const char* kRoles[] = {"system", "user", "assistant", "tool"};

Json EncodeParts(const Message& message) {
  bool only_text = true;
  for (const MessagePart& part : message.parts) {
    only_text = only_text && std::holds_alternative<TextPart>(part);
  }
  // Many servers know no lists of parts: text alone goes as a string.
  if (only_text) return message.text();
  Json parts = Json::array();
  for (const MessagePart& part : message.parts) {
    if (const auto* text = std::get_if<TextPart>(&part)) {
      parts.push_back({{"type", "text"}, {"text", text->text}});
    } else {
      const auto& image = std::get<ImagePart>(part);
      const std::string url =
          fmt::format("data:{};base64,{}", image.media_type, absl::Base64Escape(image.bytes));
      parts.push_back({{"type", "image_url"}, {"image_url", {{"url", url}}}});
    }
  }
  return parts;
}

Json EncodeMessage(const Message& message) {
  Json encoded = {{"role", kRoles[static_cast<int>(message.role)]},
                  {"content", EncodeParts(message)}};
  if (!message.tool_use_id.empty()) encoded["tool_call_id"] = message.tool_use_id;
  for (const ToolUse& use : message.tool_uses) {
    const std::string arguments =
        use.arguments.is_null() ? use.malformed_arguments : DumpJson(use.arguments);
    encoded["tool_calls"].push_back(
        {{"id", use.id},
         {"type", "function"},
         {"function", {{"name", WireToolName(use.name)}, {"arguments", arguments}}}});
  }
  return encoded;
}

// Most of a request are messages of text, said again in every request: they are printed without a
// tree of values in between.
void AppendMessage(std::string& out, const Message& message) {
  const std::string* const text = message.sole_text();
  if (text == nullptr) {
    out += DumpJson(EncodeMessage(message));
    return;
  }
  out += R"({"content":)";
  AppendJsonText(out, *text);
  out += R"(,"role":")";
  out += kRoles[static_cast<int>(message.role)];
  out += "\"}";
}

// From so many messages on a conversation is likely to be sent again, with more of them.
constexpr size_t kLong = 4;

// Bytes that a message of text takes about, printed.
size_t PrintedBytes(const Message& message) {
  size_t bytes = 32;  // ,{"content":"","role":"user"}
  for (const MessagePart& part : message.parts) {
    if (const auto* text = std::get_if<TextPart>(&part)) bytes += text->text.size();
  }
  return bytes;
}

constexpr char kCodec = 0;  // its address says who printed

// Room for the settings, behind the messages.
constexpr size_t kSettings = 256;

// The beginning of a request, with all messages. A request says all that the one before it said, so
// what was printed for that is taken over.
std::string PrintMessages(const Conversation& conversation) {
  SharedText before;
  std::string_view said = R"({"messages":[)";
  size_t bytes = 0;
  std::vector<const Message*> left;
  for (const auto* node = conversation.last(); node != nullptr; node = node->previous.get()) {
    if (node->printed_by == &kCodec) {
      node->printed_by = nullptr;
      before = std::exchange(node->printed, SharedText());
      said = before.view().substr(0, node->printed_bytes);
      break;
    }
    left.push_back(&node->message);
    bytes += PrintedBytes(node->message);
  }
  // Not longer than it need be, as it is kept: a string that grows makes itself room for as much.
  std::string text;
  text.reserve(said.size() + bytes + kSettings);
  text += said;
  for (auto message = left.rbegin(); message != left.rend(); ++message) {
    if (text.back() != '[') text += ',';
    AppendMessage(text, **message);
  }
  return text;
}

// Keeps a request whose first bytes are all messages.
void KeepPrinted(const Conversation& conversation, const SharedText& request, size_t bytes) {
  if (conversation.size() < kLong) return;
  const Conversation::Node* const last = conversation.last();
  last->printed = request;
  last->printed_bytes = bytes;
  last->printed_by = &kCodec;
}

Json EncodeToolChoice(const std::string& choice) {
  if (choice == "auto" || choice == "none" || choice == "required") return choice;
  return {{"type", "function"}, {"function", {{"name", WireToolName(choice)}}}};
}

Json EncodeSchema(const ReplySchema& schema, SchemaDialect dialect) {
  if (dialect == SchemaDialect::kLlamaCpp) {
    return {{"type", "json_schema"}, {"schema", schema.schema}};
  }
  return {{"type", "json_schema"},
          {"json_schema", {{"name", schema.name}, {"schema", schema.schema}, {"strict", true}}}};
}

// What few requests have; null if there is none of it.
Json EncodeSettings(const ChatRequest& request, const ModelConfig& config, bool stream) {
  Json body;
  for (const ToolDeclaration& tool : request.tools) {
    body["tools"].push_back({{"type", "function"},
                             {"function",
                              {{"name", WireToolName(tool.name)},
                               {"description", tool.description},
                               {"parameters", tool.parameters}}}});
  }
  if (!request.tool_choice.empty() && !request.tools.empty()) {
    body["tool_choice"] = EncodeToolChoice(request.tool_choice);
  }
  if (request.reply_schema.has_value() && config.schema_dialect != SchemaDialect::kNone) {
    body["response_format"] = EncodeSchema(*request.reply_schema, config.schema_dialect);
  }
  if (request.temperature.has_value()) body["temperature"] = *request.temperature;
  if (request.top_p.has_value()) body["top_p"] = *request.top_p;
  if (request.seed.has_value() && config.capabilities.seed) body["seed"] = *request.seed;
  if (!request.stop.empty()) body["stop"] = request.stop;
  if (request.top_logprobs > 0 && config.capabilities.logprobs) {
    body["logprobs"] = true;
    body["top_logprobs"] = request.top_logprobs;
  }
  if (stream) {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
  }
  return body;
}

ToolUse DecodeToolUse(const std::string& id, const std::string& name, const Json& arguments) {
  ToolUse use{id, name, nullptr, ""};
  if (arguments.is_object()) {
    use.arguments = arguments;  // some servers send an object in place of its text
    return use;
  }
  const std::string text = arguments.is_string() ? arguments.get<std::string>() : "";
  auto parsed = ParseJson(text.empty() ? "{}" : text, "arguments");
  if (parsed.ok() && parsed->is_object()) {
    use.arguments = *std::move(parsed);
  } else {
    use.malformed_arguments = text;
  }
  return use;
}

FinishReason DecodeFinish(const std::string& reason, bool has_tool_uses) {
  // Not every server says "tool_calls" when it calls tools.
  if (has_tool_uses) return FinishReason::kToolUse;
  if (reason == "stop" || reason.empty()) return FinishReason::kStop;
  if (reason == "length") return FinishReason::kLength;
  if (reason == "content_filter") return FinishReason::kContentFilter;
  return FinishReason::kOther;
}

TokenUsage DecodeUsage(const Json& usage, const ChatRequest& request, const Message& message) {
  TokenUsage tokens;
  if (!usage.is_object() || !usage.contains("prompt_tokens")) {
    tokens.estimated = true;
    tokens.input_tokens = EstimateTokens(request);
    tokens.output_tokens = EstimateTokens(message.text());
    for (const ToolUse& use : message.tool_uses) {
      tokens.output_tokens += EstimateTokens(DumpJson(use.arguments));
    }
    return tokens;
  }
  tokens.input_tokens = JsonInt(usage, "prompt_tokens");
  tokens.output_tokens = JsonInt(usage, "completion_tokens");
  tokens.cached_input_tokens = JsonInt(JsonObject(usage, "prompt_tokens_details"), "cached_tokens");
  tokens.reasoning_tokens =
      JsonInt(JsonObject(usage, "completion_tokens_details"), "reasoning_tokens");
  return tokens;
}

std::vector<TokenLogprob> DecodeLogprobs(const Json& content) {
  std::vector<TokenLogprob> logprobs;
  if (!content.is_array()) return logprobs;
  for (const Json& token : content) {
    TokenLogprob logprob{JsonString(token, "token"), JsonDouble(token, "logprob"), {}};
    if (token.is_object() && token.contains("top_logprobs") && token["top_logprobs"].is_array()) {
      for (const Json& other : token["top_logprobs"]) {
        logprob.alternatives.emplace_back(JsonString(other, "token"), JsonDouble(other, "logprob"));
      }
    }
    logprobs.push_back(std::move(logprob));
  }
  return logprobs;
}

std::string TextOf(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (content.is_array()) {
    for (const Json& part : content) text += JsonString(part, "text");
  }
  return text;
}

ChatReply Complete(ChatReply reply, const std::string& finish, const Json& usage,
                   const ChatRequest& request, const ModelConfig& config) {
  RestoreToolNames(request, reply.message);
  reply.finish = DecodeFinish(finish, !reply.message.tool_uses.empty());
  reply.usage = DecodeUsage(usage, request, reply.message);
  reply.cost_microusd = CostOf(reply.usage, config.price);
  reply.model = config.name;
  return reply;
}

}  // namespace

SharedText EncodeOpenAiRequest(const ChatRequest& request, const ModelConfig& config, bool stream) {
  std::string text = PrintMessages(request.messages);
  const size_t messages = text.size();
  text += R"(],"model":)";
  AppendJsonText(text, config.model);
  const int64_t max_tokens = request.max_tokens.value_or(config.default_max_tokens);
  text += ',';
  AppendJsonText(text, config.token_limit_field);
  absl::StrAppend(&text, ":", max_tokens);
  if (const Json settings = EncodeSettings(request, config, stream); !settings.is_null()) {
    text += ',';
    text += std::string_view(DumpJson(settings)).substr(1);
  } else {
    text += '}';
  }
  SharedText printed(std::move(text));
  KeepPrinted(request.messages, printed, messages);
  return printed;
}

absl::StatusOr<ChatReply> DecodeOpenAiReply(const std::string& body, const ChatRequest& request,
                                            const ModelConfig& config) {
  const auto value = ParseJson(body, "the reply");
  if (!value.ok()) return BadReply(config, MessageOf(value.status()));
  const Json& choices = JsonArray(*value, "choices");
  if (choices.empty() || !choices[0].is_object() || !choices[0].contains("message") ||
      !choices[0]["message"].is_object()) {
    return BadReply(config, "the reply has no choices[0].message");
  }
  const Json& choice = choices[0];
  const Json& message = choice["message"];
  ChatReply reply;
  reply.response_id = JsonString(*value, "id");
  reply.message = AssistantMessage(TextOf(JsonMember(message, "content")));
  if (message.contains("tool_calls") && message["tool_calls"].is_array()) {
    for (const Json& call : message["tool_calls"]) {
      const Json& function = JsonObject(call, "function");
      reply.message.tool_uses.push_back(DecodeToolUse(
          JsonString(call, "id"), JsonString(function, "name"), JsonMember(function, "arguments")));
    }
  }
  if (choice.contains("logprobs") && choice["logprobs"].is_object()) {
    reply.logprobs = DecodeLogprobs(JsonMember(choice["logprobs"], "content"));
  }
  return Complete(std::move(reply), JsonString(choice, "finish_reason"),
                  JsonMember(*value, "usage"), request, config);
}

absl::Status OpenAiStream::Take(const std::string& data) {
  if (data == "[DONE]") {
    done_ = true;
    return absl::OkStatus();
  }
  const auto value = ParseJson(data, "an event of the stream");
  if (!value.ok()) return BadReply(config_, MessageOf(value.status()));
  if (value->is_object() && value->contains("error") && !(*value)["error"].is_null()) {
    HttpResponse refusal;  // an error that came after the status 200
    refusal.status = 500;
    refusal.body = data;
    return RefusalOf(refusal, config_, absl::Now());
  }
  if (response_id_.empty()) response_id_ = JsonString(*value, "id");
  if (value->contains("usage") && (*value)["usage"].is_object()) usage_ = (*value)["usage"];
  const Json& choices = JsonArray(*value, "choices");
  if (choices.empty()) return absl::OkStatus();
  const Json& choice = choices[0];
  if (const std::string finish = JsonString(choice, "finish_reason"); !finish.empty()) {
    finish_ = finish;
  }
  if (choice.contains("logprobs") && choice["logprobs"].is_object()) {
    for (const Json& token : JsonArray(choice["logprobs"], "content")) {
      logprobs_.push_back(token);
    }
  }
  const Json& delta = JsonObject(choice, "delta");
  if (const std::string piece = TextOf(JsonMember(delta, "content")); !piece.empty()) {
    text_ += piece;
    if (on_text_) on_text_(piece);
  }
  if (delta.contains("tool_calls") && delta["tool_calls"].is_array()) {
    for (const Json& part : delta["tool_calls"]) {
      Call& call = calls_[JsonInt(part, "index", static_cast<int64_t>(calls_.size()))];
      const Json& function = JsonObject(part, "function");
      if (const std::string id = JsonString(part, "id"); !id.empty()) call.id = id;
      if (const std::string name = JsonString(function, "name"); !name.empty()) call.name = name;
      const Json& arguments = JsonMember(function, "arguments");
      call.arguments += arguments.is_object() ? DumpJson(arguments) : TextOf(arguments);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ChatReply> OpenAiStream::Finish(const ChatRequest& request) {
  if (!done_ && finish_.empty()) return BadReply(config_, "the stream ended before the reply");
  ChatReply reply;
  reply.response_id = response_id_;
  reply.message = AssistantMessage(text_);
  for (const auto& [index, call] : calls_) {
    reply.message.tool_uses.push_back(DecodeToolUse(call.id, call.name, call.arguments));
  }
  reply.logprobs = DecodeLogprobs(logprobs_);
  return Complete(std::move(reply), finish_, usage_, request, config_);
}

}  // namespace troupe
