#include "tools/mcp/mcp_question.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"
#include "tools/mcp/plain_text.h"
#include "tools/tool_host.h"

namespace troupe {
namespace {

constexpr size_t kMaxPrompt = size_t{16} * 1024;
constexpr size_t kMaxSchema = size_t{64} * 1024;
constexpr size_t kMaxMessages = 200;
constexpr size_t kMaxShownMessages = size_t{32} * 1024;

absl::Status Refused(const std::string& why) { return absl::InvalidArgumentError(why); }

absl::Status NobodyToAsk() { return Refused("nobody can be asked during this call"); }

// A form whose fields a person left out gets the defaults that it names.
void FillDefaults(const Json& schema, Json& content) {
  for (const auto& [name, field] : JsonObject(schema, "properties").items()) {
    if (!content.contains(name) && field.is_object() && field.contains("default")) {
      content[name] = field["default"];
    }
  }
}

// A person accepts by giving the content, and may decline or cancel with a word.
Json AnswerSchema(const Json& form) {
  return {{"anyOf", {{{"enum", {"decline", "cancel"}}}, form}}};
}

Async<Json> Elicit(McpServerConfig config, std::string tool, Json params,
                   const ToolContext* context) {
  if (JsonString(params, "mode", "form") != "form") {
    co_return Refused(
        "elicitation by URL is refused: nobody is there to open a page; ask with a form");
  }
  if (!config.elicitation) co_return Refused("elicitation is turned off for this server");
  if (context->host == nullptr) co_return NobodyToAsk();
  const Json form = JsonObject(params, "requestedSchema");
  if (DumpJson(form).size() > kMaxSchema) co_return Refused("requestedSchema is too large");
  if (!JsonSchema::Compile(form).ok()) co_return Refused("requestedSchema is no JSON Schema");
  HostQuestion question;
  question.prompt = fmt::format(
      "The MCP server '{}' asks while {} runs:\n{}\nAnswer with an object by the schema, or with "
      "decline or cancel. Give no passwords or keys.",
      config.name, tool, PlainText(JsonString(params, "message"), kMaxPrompt));
  question.schema = AnswerSchema(form);
  question.detail = {{"mcp_server", config.name}, {"tool", tool}, {"form", form}};
  CO_ASSIGN_OR_RETURN(Json answer, co_await context->host->Ask(std::move(question)));
  Json result = Json::object();
  if (answer.is_string()) {
    result["action"] = answer;
    co_return result;
  }
  FillDefaults(form, answer);
  result["action"] = "accept";
  result["content"] = std::move(answer);
  co_return result;
}

absl::Status AddContent(const Json& part, HostMessage& message) {
  const std::string type = JsonString(part, "type");
  if (type == "text") {
    if (!message.text.empty()) message.text += "\n";
    message.text += JsonString(part, "text");
    return absl::OkStatus();
  }
  if (type != "image") return Refused(fmt::format("sampling takes text and images, no {}", type));
  HostImage image;
  image.media_type = JsonString(part, "mimeType");
  if (!absl::Base64Unescape(JsonString(part, "data"), &image.bytes)) {
    return Refused("an image is not base64");
  }
  message.images.push_back(std::move(image));
  return absl::OkStatus();
}

absl::StatusOr<HostSampleRequest> ReadSampleRequest(const Json& params) {
  HostSampleRequest request;
  request.system = JsonString(params, "systemPrompt");
  request.max_tokens = JsonInt(params, "maxTokens");
  if (request.max_tokens < 0) return Refused("maxTokens is negative");
  if (JsonMember(params, "temperature").is_number()) {
    request.temperature = JsonDouble(params, "temperature");
  }
  for (const Json& word : JsonArray(params, "stopSequences")) {
    if (word.is_string() && request.stop.size() < 4) request.stop.push_back(word);
  }
  if (params.contains("tools")) return Refused("sampling with tools is not offered");
  const Json& messages = JsonArray(params, "messages");
  if (messages.empty() || messages.size() > kMaxMessages) {
    return Refused(fmt::format("sampling takes 1 to {} messages", kMaxMessages));
  }
  for (const Json& given : messages) {
    HostMessage message;
    message.from_assistant = JsonString(given, "role") == "assistant";
    const Json& content = JsonMember(given, "content");
    const Json parts = content.is_array() ? content : Json::array({content});
    for (const Json& part : parts) RETURN_IF_ERROR(AddContent(part, message));
    request.messages.push_back(std::move(message));
  }
  return request;
}

std::string Shown(const HostSampleRequest& request) {
  std::string text;
  if (!request.system.empty()) text = fmt::format("system: {}\n", request.system);
  for (const HostMessage& message : request.messages) {
    text += fmt::format("{}: {}\n", message.from_assistant ? "assistant" : "user", message.text);
    if (!message.images.empty()) text += fmt::format("({} images)\n", message.images.size());
  }
  return PlainText(text, kMaxShownMessages);
}

Async<Json> Sample(McpServerConfig config, std::string tool, Json params,
                   const ToolContext* context) {
  if (config.sampling == McpSampling::kOff) {
    co_return Refused("sampling is turned off for this server");
  }
  if (context->host == nullptr) co_return NobodyToAsk();
  CO_ASSIGN_OR_RETURN(HostSampleRequest request, ReadSampleRequest(params));
  if (config.sampling == McpSampling::kAsk) {
    HostQuestion question;
    question.is_approval = true;
    question.choices = {"approve", "deny"};
    question.prompt = fmt::format(
        "The MCP server '{}' asks, while {} runs, to have a model of yours reply to:\n{}",
        config.name, tool, Shown(request));
    question.detail = {{"mcp_server", config.name}, {"tool", tool}};
    // With its images a request may be too large to ask about.
    if (DumpJson(params).size() <= kMaxSchema) question.detail["sampling"] = params;
    CO_ASSIGN_OR_RETURN(const Json answer, co_await context->host->Ask(std::move(question)));
    if (answer != "approve") co_return Refused("a person declined the sampling request");
  }
  CO_ASSIGN_OR_RETURN(const HostSample sample, co_await context->host->Sample(std::move(request)));
  Json result = {{"role", "assistant"},
                 {"content", {{"type", "text"}, {"text", sample.text}}},
                 {"model", sample.model},
                 {"stopReason", sample.cut_short ? "maxTokens" : "endTurn"}};
  co_return result;
}

// A path as a URI; what a URI does not take is percent-encoded.
std::string FileUri(const std::string& path) {
  std::string uri = "file://";
  for (char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-_.~").find(c) != std::string_view::npos;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

Json Root(const std::string& path, const std::string& name) {
  return {{"uri", FileUri(path)}, {"name", name}};
}

}  // namespace

Json McpRoots(const McpServerConfig& config, const Workspace* workspace) {
  Json roots = Json::array();
  for (const std::string& path : config.roots) roots.push_back(Root(path, path));
  if (workspace != nullptr && config.workspace_root) {
    std::error_code error;
    const auto root = std::filesystem::absolute(workspace->root, error);
    roots.push_back(Root(root.string(), "workspace"));
  }
  return {{"roots", std::move(roots)}};
}

Async<Json> AnswerMcpQuestion(McpServerConfig config, std::string tool, std::string method,
                              Json params, const ToolContext* context) {
  if (method == "roots/list") co_return McpRoots(config, &context->workspace);
  if (method == "elicitation/create") {
    co_return co_await Elicit(std::move(config), std::move(tool), std::move(params), context);
  }
  if (method == "sampling/createMessage") {
    co_return co_await Sample(std::move(config), std::move(tool), std::move(params), context);
  }
  co_return absl::UnimplementedError(
      fmt::format("this client does not know {}", PlainText(method, 100)));
}

}  // namespace troupe
