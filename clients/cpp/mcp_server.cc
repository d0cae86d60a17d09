#include "clients/cpp/mcp_server.h"

#include <algorithm>
#include <iostream>

namespace troupe::client {
namespace {

constexpr const char* kModernVersion = "2026-07-28";
constexpr const char* kLegacyVersions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;
constexpr int kUnsupportedVersion = -32022;
constexpr size_t kThreads = 8;
constexpr size_t kMostWaiting = 256;
constexpr size_t kMostBytes = size_t{16} * 1024 * 1024;
constexpr int kListTtlMilliseconds = 3'600'000;
constexpr const char* kInstructions =
    "Troupe runs LLM agents as durable tasks. Submit a task, wait for it, answer its questions, "
    "and "
    "look at what it did: every model call and tool call is in its trace.";

McpJson ServerInfo() { return {{"name", "troupe"}, {"title", "Troupe"}, {"version", "0.1.0"}}; }

McpJson Capabilities() { return {{"tools", {{"listChanged", false}}}}; }

McpJson Member(const McpJson& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return !object.is_object() || found == object.end() ? McpJson() : *found;
}

bool IsId(const McpJson& id) { return id.is_string() || id.is_number_integer(); }

}  // namespace

McpStdioServer::McpStdioServer(Connection* connection, std::istream* input, std::ostream* output)
    : connection_(connection), input_(input), output_(output) {
  threads_.reserve(kThreads);
  for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { RunCalls(); });
}

McpStdioServer::~McpStdioServer() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
    for (const auto& [id, running] : running_) running->Cancel();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void McpStdioServer::Serve() {
  std::string line;
  while (std::getline(*input_, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) Take(line);
  }
}

void McpStdioServer::Take(const std::string& line) {
  const McpJson message = line.size() > kMostBytes
                              ? McpJson(McpJson::value_t::discarded)
                              : McpJson::parse(line, nullptr, /*allow_exceptions=*/false);
  if (message.is_discarded()) return SendError(nullptr, kParseError, "the line is no JSON");
  const McpJson method = Member(message, "method");
  const McpJson id = Member(message, "id");
  if (Member(message, "jsonrpc") != McpJson("2.0") || (!id.is_null() && !IsId(id))) {
    return SendError(IsId(id) ? id : McpJson(), kInvalidRequest, "no message of JSON-RPC 2.0");
  }
  if (!method.is_string()) return;  // a reply: we ask nothing
  if (id.is_null()) return TakeNotification(message);
  TakeRequest(message);
}

void McpStdioServer::TakeNotification(const McpJson& message) {
  if (message["method"] != "notifications/cancelled") return;
  const McpJson id = Member(Member(message, "params"), "requestId");
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = running_.find(id.dump());
  if (found != running_.end()) found->second->Cancel();
}

bool McpStdioServer::IsModern(const McpJson& message, bool& answered) {
  const McpJson meta = Member(Member(message, "params"), "_meta");
  const McpJson version = Member(meta, "io.modelcontextprotocol/protocolVersion");
  if (version.is_null()) return false;
  if (version != kModernVersion) {
    McpJson supported = {kModernVersion};
    for (const char* legacy : kLegacyVersions) supported.push_back(legacy);
    SendError(message["id"], kUnsupportedVersion, "Unsupported protocol version",
              {{"supported", supported}, {"requested", version}});
    answered = true;
  } else if (!Member(meta, "io.modelcontextprotocol/clientCapabilities").is_object()) {
    SendError(message["id"], kInvalidParams,
              "_meta lacks io.modelcontextprotocol/clientCapabilities");
    answered = true;
  }
  return true;
}

McpJson McpStdioServer::Initialize(const McpJson& params) const {
  const McpJson wanted = Member(params, "protocolVersion");
  const bool known = std::any_of(std::begin(kLegacyVersions), std::end(kLegacyVersions),
                                 [&](const char* version) { return wanted == McpJson(version); });
  return {{"protocolVersion", known ? wanted : McpJson(kLegacyVersions[0])},
          {"capabilities", Capabilities()},
          {"serverInfo", ServerInfo()},
          {"instructions", kInstructions}};
}

void McpStdioServer::TakeRequest(const McpJson& message) {
  const McpJson& id = message["id"];
  const std::string method = message["method"].get<std::string>();
  bool answered = false;
  const bool modern = IsModern(message, answered);
  if (answered) return;
  if (method == "tools/call") return StartCall(message, modern);
  if (method == "tools/list") {
    McpJson listed = {{"tools", McpToolList()}};
    if (modern) listed.update({{"ttlMs", kListTtlMilliseconds}, {"cacheScope", "public"}});
    return SendResult(id, std::move(listed), modern);
  }
  if (modern && method == "server/discover") {
    return SendResult(id,
                      {{"supportedVersions", {kModernVersion}},
                       {"capabilities", Capabilities()},
                       {"instructions", kInstructions},
                       {"ttlMs", kListTtlMilliseconds},
                       {"cacheScope", "public"}},
                      true);
  }
  if (!modern && method == "initialize") {
    return SendResult(id, Initialize(Member(message, "params")), false);
  }
  if (!modern && method == "ping") return SendResult(id, McpJson::object(), false);
  SendError(id, kMethodNotFound, "there is no method " + method);
}

void McpStdioServer::StartCall(const McpJson& message, bool modern) {
  const McpJson& id = message["id"];
  const McpJson params = Member(message, "params");
  const McpJson name = Member(params, "name");
  const McpJson& tools = McpToolList();
  const bool known = std::any_of(tools.begin(), tools.end(),
                                 [&](const McpJson& tool) { return tool["name"] == name; });
  if (!known) return SendError(id, kInvalidParams, "Unknown tool: " + name.dump());
  const McpJson token = Member(Member(params, "_meta"), "progressToken");
  std::function<void(const std::string&)> progress;
  if (!token.is_null()) {
    progress = [this, token, count = std::make_shared<int>(0)](const std::string& line) {
      Send({{"jsonrpc", "2.0"},
            {"method", "notifications/progress"},
            {"params", {{"progressToken", token}, {"progress", ++*count}, {"message", line}}}});
    };
  }
  McpJson arguments = Member(params, "arguments");
  if (arguments.is_null()) arguments = McpJson::object();
  Call call{id, modern, name.get<std::string>(), std::move(arguments),
            std::make_shared<McpRunningCall>(std::move(progress))};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.size() < kMostWaiting && !running_.contains(id.dump())) {
      running_[id.dump()] = call.running;
      queue_.push_back(std::move(call));
      changed_.notify_one();
      return;
    }
  }
  SendError(id, kInvalidRequest, "too many calls are under way, or the id is used twice");
}

void McpStdioServer::RunCalls() {
  for (;;) {
    Call call;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (ending_) return;
      call = std::move(queue_.front());
      queue_.pop_front();
    }
    Perform(std::move(call));
  }
}

void McpStdioServer::Perform(Call call) {
  McpJson result = CallMcpTool(*connection_, call.tool, call.arguments, *call.running);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    running_.erase(call.id.dump());
  }
  // A request that was cancelled is not answered.
  if (!call.running->cancelled()) SendResult(call.id, std::move(result), call.modern);
}

void McpStdioServer::Send(const McpJson& message) {
  const std::string line =
      message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const std::lock_guard<std::mutex> lock(output_mutex_);
  *output_ << line << std::flush;
}

void McpStdioServer::SendResult(const McpJson& id, McpJson result, bool modern) {
  if (modern) {
    result["resultType"] = "complete";
    result["_meta"]["io.modelcontextprotocol/serverInfo"] = ServerInfo();
  }
  Send({{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}});
}

void McpStdioServer::SendError(const McpJson& id, int code, const std::string& text, McpJson data) {
  McpJson error = {{"code", code}, {"message", text}};
  if (!data.is_null()) error["data"] = std::move(data);
  Send({{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}});
}

}  // namespace troupe::client
