// McpTransport: what carries JSON-RPC messages to one MCP server and back: the pipes of a child
// process, or HTTP. Thread-confined to its executor.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/json.h"
#include "tools/mcp/mcp_config.h"

namespace troupe {

struct McpTransportEvents {
  // A message of the server. `origin` is the id of our request on whose reply stream it came; 0
  // where that is not known.
  std::function<void(Json message, int64_t origin)> on_message;
  // The connection is of no use any more. Called once, and not after Stop.
  std::function<void(absl::Status why)> on_closed;
};

struct McpSendOptions {
  std::vector<std::pair<std::string, std::string>> headers;  // of HTTP, besides the standard ones
  CancelToken cancel;                                        // ends an exchange over HTTP
};

class McpTransport {
 public:
  virtual ~McpTransport() = default;

  virtual AsyncStatus Start(McpTransportEvents events) = 0;

  // Sends one message. Over HTTP a request's call returns when the exchange is over: its reply has
  // gone to on_message by then, if one came.
  virtual AsyncStatus Send(Json message, McpSendOptions options) = 0;

  // Tells which revision is spoken from now on.
  virtual void SetVersion(McpEra era, std::string version) = 0;
  // Asks for what the server says by itself, where that needs asking (HTTP in the legacy era).
  virtual void Listen() {}

  // Ends politely, then by force. Nothing is called afterwards.
  virtual AsyncStatus Stop() = 0;

  // Whether every request has a stream of its own for what belongs to it.
  virtual bool has_reply_streams() const = 0;
  // Whether ending an exchange tells the server that the request is given up.
  virtual bool closing_cancels() const { return false; }
};

}  // namespace troupe
