#include "agents/runtime/content.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include <algorithm>

#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// More messages than any model reads; a longer chain is a damaged store.
constexpr int kMaxChain = 100'000;

// A root is its span's own; up to this size it is stored with the span, not by its hash.
constexpr size_t kSmallRoot = 2048;

// What search takes of a model call, at most.
constexpr size_t kMaxSearchText = 16 * 1024;

// Room for what is printed around a text, and for a root without large parts.
constexpr size_t kAroundText = 160;
constexpr size_t kUsualRoot = 320;

constexpr std::string_view kRoleNames[] = {"system", "user", "assistant", "tool"};
constexpr std::string_view kFinishNames[] = {"stop", "length", "tool_use", "content_filter",
                                             "other"};

class Builder {
 public:
  Hash Add(std::string bytes) {
    const Hash hash = Sha256(bytes);
    if (value_.contents.empty()) value_.contents.reserve(2);
    value_.contents.push_back({hash, std::move(bytes)});
    return hash;
  }
  Hash Add(const Json& value) { return Add(DumpJson(value)); }
  StoredValue Finish(const Json& root) { return FinishText(DumpJson(root)); }
  // The root as it is printed.
  StoredValue FinishText(std::string bytes) {
    value_.root = Sha256(bytes);
    if (bytes.size() <= kSmallRoot) {
      value_.root_bytes = std::move(bytes);
    } else {
      value_.contents.push_back({value_.root, std::move(bytes)});
    }
    return std::move(value_);
  }

 private:
  StoredValue value_;
};

// Prints an object, for what is stored at every call: the same bytes as DumpJson prints, whose
// members are in the order of their names.
class ObjectText {
 public:
  explicit ObjectText(size_t room = 0) { text_.reserve(room); }
  ObjectText& Text(std::string_view name, std::string_view value) {
    AppendJsonText(Begin(name), value);
    return *this;
  }
  // What is stored as a content of its own, by its hash.
  ObjectText& Named(std::string_view name, const Hash& hash) {
    std::string& text = Begin(name);
    text += '"';
    hash.AppendHex(text);
    text += '"';
    return *this;
  }
  ObjectText& Number(std::string_view name, int64_t value) {
    absl::StrAppend(&Begin(name), value);
    return *this;
  }
  // What is nothing is left out: most calls have no such tokens.
  ObjectText& NumberIfAny(std::string_view name, int64_t value) {
    return value == 0 ? *this : Number(name, value);
  }
  ObjectText& Value(std::string_view name, const Json& value) { return Raw(name, DumpJson(value)); }
  // A value that is printed already.
  ObjectText& Raw(std::string_view name, std::string_view printed) {
    Begin(name) += printed;
    return *this;
  }
  std::string Finish() {
    text_ += text_.empty() ? "{}" : "}";
    return std::move(text_);
  }

 private:
  std::string& Begin(std::string_view name) {
    text_ += text_.empty() ? "{\"" : ",\"";
    text_ += name;
    text_ += "\":";
    return text_;
  }
  std::string text_;
};

Json EncodeImage(const std::string& media_type, const std::string& bytes, Builder& builder) {
  return {{"image", {{"media_type", media_type}, {"sha256", builder.Add(bytes).hex()}}}};
}

Json EncodeMessage(const Message& message, Builder& builder) {
  Json parts = Json::array();
  for (const MessagePart& part : message.parts) {
    if (const auto* text = std::get_if<TextPart>(&part)) {
      parts.push_back({{"text", text->text}});
    } else {
      const auto& image = std::get<ImagePart>(part);
      parts.push_back(EncodeImage(image.media_type, image.bytes, builder));
    }
  }
  Json encoded = {{"role", kRoleNames[static_cast<int>(message.role)]}, {"parts", parts}};
  if (!message.tool_use_id.empty()) encoded["tool_use_id"] = message.tool_use_id;
  for (const ToolUse& use : message.tool_uses) {
    Json call = {{"id", use.id}, {"name", use.name}, {"arguments", use.arguments}};
    if (!use.malformed_arguments.empty()) call["malformed_arguments"] = use.malformed_arguments;
    encoded["tool_uses"].push_back(std::move(call));
  }
  return encoded;
}

absl::StatusOr<std::string> ReadImage(const Json& part, const ReadContentFn& read) {
  return read(Hash::FromHex(JsonString(part["image"], "sha256")));
}

absl::StatusOr<Message> DecodeMessage(const Json& encoded, const ReadContentFn& read) {
  Message message;
  const std::string role = JsonString(encoded, "role");
  const auto found = std::find(std::begin(kRoleNames), std::end(kRoleNames), role);
  message.role = static_cast<MessageRole>(found - std::begin(kRoleNames));
  for (const Json& part : JsonArray(encoded, "parts")) {
    if (part.contains("image")) {
      ASSIGN_OR_RETURN(std::string bytes, ReadImage(part, read));
      message.parts.push_back(ImagePart{JsonString(part["image"], "media_type"), std::move(bytes)});
    } else {
      message.parts.push_back(TextPart{JsonString(part, "text")});
    }
  }
  message.tool_use_id = JsonString(encoded, "tool_use_id");
  for (const Json& call : JsonArray(encoded, "tool_uses")) {
    message.tool_uses.push_back({JsonString(call, "id"), JsonString(call, "name"),
                                 JsonMember(call, "arguments"),
                                 JsonString(call, "malformed_arguments")});
  }
  return message;
}

absl::StatusOr<Json> ReadJson(const Hash& hash, const ReadContentFn& read) {
  ASSIGN_OR_RETURN(const std::string bytes, read(hash));
  return ParseJson(bytes, "stored content " + hash.hex());
}

Json EncodeTools(const std::vector<ToolDeclaration>& tools) {
  Json list = Json::array();
  for (const ToolDeclaration& tool : tools) {
    list.push_back(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}});
  }
  return list;
}

std::string UsageText(const TokenUsage& usage) {
  ObjectText text;
  text.NumberIfAny("cached_input_tokens", usage.cached_input_tokens);
  if (usage.estimated) text.Raw("estimated", "true");
  text.Number("input_tokens", usage.input_tokens).Number("output_tokens", usage.output_tokens);
  return text.NumberIfAny("reasoning_tokens", usage.reasoning_tokens).Finish();
}

Json EncodeLogprobs(const std::vector<TokenLogprob>& logprobs) {
  Json list = Json::array();
  for (const TokenLogprob& token : logprobs) {
    list.push_back(
        {{"token", token.token}, {"logprob", token.logprob}, {"alternatives", token.alternatives}});
  }
  return list;
}

absl::Status ExpandImages(Json& value, const ReadContentFn& read) {
  if (value.is_object() && value.size() == 1 && value.contains("image") &&
      value["image"].is_object() && value["image"].contains("sha256")) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadImage(value, read));
    value["image"]["data"] = absl::Base64Escape(bytes);
    return absl::OkStatus();
  }
  if (value.is_structured()) {
    for (Json& child : value) RETURN_IF_ERROR(ExpandImages(child, read));
  }
  return absl::OkStatus();
}

// A half of what search takes, so that a long prompt does not hide the reply.
void AppendSearched(std::string& out, const Message& message) {
  if (const std::string* text = message.sole_text(); text != nullptr) {
    out += Utf8Prefix(*text, kMaxSearchText / 2);
  } else {
    out += Utf8Prefix(message.text(), kMaxSearchText / 2);
  }
}

// Adds a message after the one named `previous`; returns its hash.
Hash StoreMessage(const Message& message, const Hash& previous, Builder& builder) {
  const std::string* const text = message.sole_text();
  if (text == nullptr) {
    return builder.Add(
        {{"message", EncodeMessage(message, builder)}, {"previous", previous.hex()}});
  }
  // The same bytes as of the other messages, for the most frequent kind.
  std::string bytes;
  bytes.reserve(text->size() + kAroundText);
  bytes += R"({"message":{"parts":[{"text":)";
  AppendJsonText(bytes, *text);
  bytes += R"(}],"role":")";
  bytes += kRoleNames[static_cast<int>(message.role)];
  bytes += R"("},"previous":")";
  previous.AppendHex(bytes);
  bytes += "\"}";
  return builder.Add(std::move(bytes));
}

// Adds what is not stored of a conversation; returns the hash of its last message.
Hash StoreConversation(const Conversation& conversation, const IsStoredFn& is_stored,
                       Builder& builder) {
  std::vector<const Conversation::Node*> unknown;
  const Conversation::Node* node = conversation.last();
  while (node != nullptr && (node->stored_hash.empty() || !is_stored(node->stored_hash))) {
    unknown.push_back(node);
    node = node->previous.get();
  }
  Hash previous = node == nullptr ? Hash() : node->stored_hash;
  for (auto next = unknown.rbegin(); next != unknown.rend(); ++next) {
    previous = StoreMessage((*next)->message, previous, builder);
    (*next)->stored_hash = previous;
  }
  return previous;
}

}  // namespace

StoredValue StoreChatRequest(const ChatRequest& request, std::string_view role,
                             const IsStoredFn& is_stored) {
  Builder builder;
  const Hash last = StoreConversation(request.messages, is_stored, builder);
  // Optional settings are stored only when set, so that a new setting changes no old hash.
  ObjectText root(kUsualRoot);
  if (request.max_tokens.has_value()) root.Number("max_tokens", *request.max_tokens);
  root.Named("messages", last);
  if (request.reply_schema.has_value()) {
    const Json schema = {{"name", request.reply_schema->name},
                         {"schema", request.reply_schema->schema}};
    root.Named("reply_schema", builder.Add(schema));
  }
  root.Text("role", role);
  if (request.seed.has_value()) root.Number("seed", *request.seed);
  if (!request.stop.empty()) root.Value("stop", request.stop);
  if (request.temperature.has_value()) root.Value("temperature", *request.temperature);
  if (!request.tool_choice.empty()) root.Text("tool_choice", request.tool_choice);
  if (!request.tools.empty()) root.Named("tools", builder.Add(EncodeTools(request.tools)));
  if (request.top_logprobs > 0) root.Number("top_logprobs", request.top_logprobs);
  if (request.top_p.has_value()) root.Value("top_p", *request.top_p);
  return builder.FinishText(root.Finish());
}

StoredValue StoreChatReply(const ChatReply& reply, const Hash& conversation) {
  Builder builder;
  ObjectText root(kUsualRoot);
  Hash message;
  root.Number("attempts", reply.attempts).NumberIfAny("cost_microusd", reply.cost_microusd);
  root.Text("finish", kFinishNames[static_cast<int>(reply.finish)]);
  if (!reply.logprobs.empty()) root.Value("logprobs", EncodeLogprobs(reply.logprobs));
  if (conversation.empty()) {
    root.Value("message", EncodeMessage(reply.message, builder));
  } else {
    message = StoreMessage(reply.message, conversation, builder);
    root.Named("message", message);
  }
  root.Text("model", reply.model);
  if (!reply.response_id.empty()) root.Text("response_id", reply.response_id);
  StoredValue value = builder.FinishText(root.Raw("usage", UsageText(reply.usage)).Finish());
  value.message = message;
  return value;
}

std::string SearchText(const Message& asked, const Message& replied) {
  std::string text;
  AppendSearched(text, asked);
  text += '\n';
  AppendSearched(text, replied);
  return text;
}

absl::StatusOr<std::string> SearchTextOf(const std::string& asked, const std::string& replied) {
  const ReadContentFn no_images = [](const Hash&) { return std::string(); };
  const auto message_of = [&](const std::string& stored) -> absl::StatusOr<Message> {
    ASSIGN_OR_RETURN(const Json node, ParseJson(stored, "a stored message"));
    return DecodeMessage(JsonObject(node, "message"), no_images);
  };
  ASSIGN_OR_RETURN(const Message first, message_of(asked));
  ASSIGN_OR_RETURN(const Message second, message_of(replied));
  return SearchText(first, second);
}

// Puts the message of a reply that was stored after its conversation in its place.
absl::Status ExpandMessage(Json& reply, const ReadContentFn& read) {
  if (!reply.is_object() || !JsonMember(reply, "message").is_string()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Json node, ReadJson(Hash::FromHex(JsonString(reply, "message")), read));
  reply["message"] = JsonObject(node, "message");
  return absl::OkStatus();
}

absl::StatusOr<ChatReply> LoadChatReply(const Hash& root, const ReadContentFn& read) {
  ASSIGN_OR_RETURN(Json stored, ReadJson(root, read));
  RETURN_IF_ERROR(ExpandMessage(stored, read));
  ChatReply reply;
  ASSIGN_OR_RETURN(reply.message, DecodeMessage(JsonObject(stored, "message"), read));
  const std::string finish = JsonString(stored, "finish");
  const auto found = std::find(std::begin(kFinishNames), std::end(kFinishNames), finish);
  reply.finish = static_cast<FinishReason>(found - std::begin(kFinishNames));
  const Json usage = JsonObject(stored, "usage");
  reply.usage = {JsonInt(usage, "input_tokens"), JsonInt(usage, "cached_input_tokens"),
                 JsonInt(usage, "output_tokens"), JsonInt(usage, "reasoning_tokens"),
                 JsonBool(usage, "estimated")};
  reply.cost_microusd = JsonInt(stored, "cost_microusd");
  reply.model = JsonString(stored, "model");
  reply.response_id = JsonString(stored, "response_id");
  reply.attempts = static_cast<int>(JsonInt(stored, "attempts", 1));
  for (const Json& token : JsonArray(stored, "logprobs")) {
    TokenLogprob logprob{JsonString(token, "token"), JsonDouble(token, "logprob"), {}};
    for (const Json& other : JsonArray(token, "alternatives")) {
      logprob.alternatives.emplace_back(other.at(0).get<std::string>(), other.at(1).get<double>());
    }
    reply.logprobs.push_back(std::move(logprob));
  }
  return reply;
}

absl::StatusOr<Json> LoadWhatWasReplied(const Hash& root, const ReadContentFn& read) {
  ASSIGN_OR_RETURN(Json stored, ReadJson(root, read));
  RETURN_IF_ERROR(ExpandMessage(stored, read));
  return Json{{"message", JsonMember(stored, "message")}, {"finish", JsonMember(stored, "finish")}};
}

StoredValue StoreToolRequest(std::string_view tool, std::string_view version,
                             const Json& arguments) {
  Builder builder;
  return builder.Finish({{"tool", tool}, {"version", version}, {"arguments", arguments}});
}

absl::StatusOr<Json> LoadToolArguments(const Hash& root, const ReadContentFn& read) {
  ASSIGN_OR_RETURN(const Json stored, ReadJson(root, read));
  return JsonMember(stored, "arguments");
}

absl::StatusOr<std::string> LoadToolVersion(const Hash& root, const ReadContentFn& read) {
  ASSIGN_OR_RETURN(const Json stored, ReadJson(root, read));
  return JsonString(stored, "version");
}

StoredValue StoreToolResult(const ToolResult& result) {
  Builder builder;
  Json content = Json::array();
  for (const ToolContent& part : result.content) {
    if (const auto* text = std::get_if<ToolText>(&part)) {
      content.push_back({{"text", text->text}});
    } else {
      const auto& image = std::get<ToolImage>(part);
      content.push_back(EncodeImage(image.media_type, image.bytes, builder));
    }
  }
  Json artifacts = Json::array();
  for (const Artifact& artifact : result.artifacts) {
    artifacts.push_back({{"name", artifact.name},
                         {"media_type", artifact.media_type},
                         {"description", artifact.description},
                         {"size_bytes", artifact.size_bytes},
                         {"sha256", artifact.sha256}});
  }
  return builder.Finish({{"value", result.value},
                         {"content", content},
                         {"artifacts", artifacts},
                         {"is_error", result.is_error}});
}

absl::StatusOr<ToolResult> LoadToolResult(const Hash& root, const ReadContentFn& read) {
  ASSIGN_OR_RETURN(const Json stored, ReadJson(root, read));
  ToolResult result;
  result.value = JsonMember(stored, "value");
  result.is_error = JsonBool(stored, "is_error");
  for (const Json& part : JsonArray(stored, "content")) {
    if (part.contains("image")) {
      ASSIGN_OR_RETURN(std::string bytes, ReadImage(part, read));
      result.content.push_back(
          ToolImage{JsonString(part["image"], "media_type"), std::move(bytes)});
    } else {
      result.content.push_back(ToolText{JsonString(part, "text")});
    }
  }
  for (const Json& artifact : JsonArray(stored, "artifacts")) {
    result.artifacts.push_back({JsonString(artifact, "name"), JsonString(artifact, "media_type"),
                                JsonString(artifact, "description"),
                                JsonInt(artifact, "size_bytes"), JsonString(artifact, "sha256")});
  }
  return result;
}

StoredValue StoreJson(const Json& value) { return Builder().Finish(value); }

absl::StatusOr<Json> LoadJson(const Hash& root, const ReadContentFn& read) {
  return ReadJson(root, read);
}

absl::StatusOr<Json> ExpandForReading(const Hash& root, const ReadContentFn& read,
                                      bool with_images) {
  ASSIGN_OR_RETURN(Json value, ReadJson(root, read));
  if (value.is_object() && value.contains("messages") && value["messages"].is_string()) {
    Json messages = Json::array();
    Hash next = Hash::FromHex(value["messages"].get<std::string>());
    for (int i = 0; i < kMaxChain && !next.empty(); ++i) {
      ASSIGN_OR_RETURN(Json node, ReadJson(next, read));
      next = Hash::FromHex(JsonString(node, "previous"));
      messages.push_back(JsonObject(node, "message"));
    }
    std::reverse(messages.begin(), messages.end());
    value["messages"] = std::move(messages);
    for (const char* part : {"tools", "reply_schema"}) {
      if (!value.contains(part)) continue;
      ASSIGN_OR_RETURN(value[part], ReadJson(Hash::FromHex(value[part].get<std::string>()), read));
    }
  }
  // A reply's message is known by what else a reply has: a tool's result may hold anything.
  if (value.is_object() && value.contains("finish") && value.contains("attempts")) {
    RETURN_IF_ERROR(ExpandMessage(value, read));
  }
  if (with_images) RETURN_IF_ERROR(ExpandImages(value, read));
  return value;
}

}  // namespace troupe
