// JSON-RPC 2.0 as MCP speaks it: the four kinds of messages, their ids and errors. Stateless
// functions. What is read comes from a server, which is not trusted.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/base/json.h"

namespace troupe {

// Codes of JSON-RPC, and those that MCP's revision 2026-07-28 reserves.
inline constexpr int64_t kRpcInvalidRequest = -32600;
inline constexpr int64_t kRpcMethodNotFound = -32601;
inline constexpr int64_t kRpcInvalidParams = -32602;
inline constexpr int64_t kRpcInternalError = -32603;
inline constexpr int64_t kMcpHeaderMismatch = -32020;
inline constexpr int64_t kMcpMissingCapability = -32021;
inline constexpr int64_t kMcpUnsupportedVersion = -32022;

// The most that one message may have, in both directions.
inline constexpr size_t kMaxRpcMessage = size_t{16} * 1024 * 1024;

struct RpcError {
  int64_t code = kRpcInternalError;
  std::string message;
  Json data;
};

struct RpcMessage {
  enum class Kind { kRequest, kNotification, kResult, kError };
  Kind kind = Kind::kNotification;
  Json id;             // text or integer; null: none
  std::string method;  // of a request or notification
  Json params = Json::object();
  Json result;     // of kResult
  RpcError error;  // of kError
};

// INVALID_ARGUMENT for what is no message of JSON-RPC 2.0.
absl::StatusOr<RpcMessage> ReadRpcMessage(const Json& value);

Json RpcRequest(const Json& id, std::string_view method, Json params);
Json RpcNotification(std::string_view method, Json params);
Json RpcResult(const Json& id, Json result);
Json RpcErrorReply(const Json& id, int64_t code, std::string_view message);

// The error as a status (kToolFailed) that names the server and what it was asked. Its code is
// kept.
absl::Status RpcErrorStatus(std::string_view server, std::string_view method,
                            const RpcError& error);
// The code of a status that RpcErrorStatus made; 0 for any other.
int64_t RpcCodeOf(const absl::Status& status);
// The data of such a status; null if there is none.
Json RpcDataOf(const absl::Status& status);

}  // namespace troupe
