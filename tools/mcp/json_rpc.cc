#include "tools/mcp/json_rpc.h"

#include <fmt/format.h>

#include <cstdlib>

#include "tools/base/error.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr char kCodeKey[] = "rpc_code";
constexpr char kDataKey[] = "rpc_data";
// Of an error, what is shown to people and models.
constexpr size_t kMaxErrorText = 4000;
constexpr size_t kMaxErrorData = 16 * 1024;

bool IsId(const Json& id) { return id.is_string() || id.is_number_integer(); }

absl::Status NoMessage(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("no message of JSON-RPC 2.0: {}", what));
}

}  // namespace

absl::StatusOr<RpcMessage> ReadRpcMessage(const Json& value) {
  if (!value.is_object()) return NoMessage("it is no object");
  if (JsonString(value, "jsonrpc") != "2.0") return NoMessage("jsonrpc is not \"2.0\"");
  RpcMessage message;
  message.id = JsonMember(value, "id");
  if (!message.id.is_null() && !IsId(message.id)) return NoMessage("its id is no text or integer");
  message.method = JsonString(value, "method");
  if (!message.method.empty()) {
    message.kind =
        message.id.is_null() ? RpcMessage::Kind::kNotification : RpcMessage::Kind::kRequest;
    message.params = JsonObject(value, "params");
    return message;
  }
  if (value.contains("result")) {
    if (message.id.is_null()) return NoMessage("a result without an id");
    message.kind = RpcMessage::Kind::kResult;
    message.result = value["result"];
    return message;
  }
  const Json& error = JsonMember(value, "error");
  if (!error.is_object()) return NoMessage("it has no method, result or error");
  message.kind = RpcMessage::Kind::kError;
  message.error.code = JsonInt(error, "code", kRpcInternalError);
  message.error.message = JsonString(error, "message", "no message");
  message.error.data = JsonMember(error, "data");
  return message;
}

Json RpcRequest(const Json& id, std::string_view method, Json params) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
}

Json RpcNotification(std::string_view method, Json params) {
  Json message = {{"jsonrpc", "2.0"}, {"method", method}};
  if (!params.empty()) message["params"] = std::move(params);
  return message;
}

Json RpcResult(const Json& id, Json result) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

Json RpcErrorReply(const Json& id, int64_t code, std::string_view message) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", message}}}};
}

absl::Status RpcErrorStatus(std::string_view server, std::string_view method,
                            const RpcError& error) {
  const std::string data = error.data.is_null() ? "" : DumpJson(error.data);
  ErrorMetadata metadata = {{"server", std::string(server)},
                            {"method", std::string(method)},
                            {kCodeKey, std::to_string(error.code)}};
  if (!data.empty() && data.size() <= kMaxErrorData) metadata[kDataKey] = data;
  return Error(Reason::kToolFailed,
               fmt::format("the MCP server {} refused {}: {} ({})", server, method,
                           PlainText(error.message, kMaxErrorText), error.code),
               std::move(metadata));
}

int64_t RpcCodeOf(const absl::Status& status) {
  const ErrorMetadata metadata = MetadataOf(status);
  const auto code = metadata.find(kCodeKey);
  return code == metadata.end() ? 0 : std::strtoll(code->second.c_str(), nullptr, 10);
}

Json RpcDataOf(const absl::Status& status) {
  const ErrorMetadata metadata = MetadataOf(status);
  const auto data = metadata.find(kDataKey);
  if (data == metadata.end()) return Json();
  auto parsed = ParseJson(data->second, "an error's data");
  return parsed.ok() ? *std::move(parsed) : Json();
}

}  // namespace troupe
