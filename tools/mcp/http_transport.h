// HttpTransport: an MCP server behind streamable HTTP. Every message is a POST; a reply is JSON or
// a stream of events. In the legacy era there is a session, a stream is taken up again where it
// broke, and another stream brings what the server says by itself. Thread-confined to its executor.
#pragma once

#include <asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <string>

#include "tools/http/http_client.h"
#include "tools/http/sse_parser.h"
#include "tools/mcp/mcp_transport.h"

namespace troupe {

class HttpTransport : public McpTransport, public std::enable_shared_from_this<HttpTransport> {
 public:
  // `http` outlives the transport.
  HttpTransport(asio::any_io_executor executor, HttpClient* http, const McpServerConfig& config);

  AsyncStatus Start(McpTransportEvents events) override;
  // kToolFailed if the server cannot be reached (IsUnreachable) or refuses the message: an error of
  // JSON-RPC has its code (RpcCodeOf), any other its HTTP status in "http_status".
  AsyncStatus Send(Json message, McpSendOptions options) override;
  void SetVersion(McpEra era, std::string version) override;
  void Listen() override;
  AsyncStatus Stop() override;
  bool has_reply_streams() const override { return true; }
  bool closing_cancels() const override { return era_ == McpEra::kModern; }

 private:
  struct Exchange;

  HttpRequest MakeRequest(const std::string& method, const std::shared_ptr<Exchange>& exchange);
  void TakeHeaders(Exchange& exchange, const HttpResponse& response);
  void TakeData(Exchange& exchange, const std::string& bytes);
  void Deliver(Exchange& exchange, const std::string& text);
  absl::Status TakeResponse(Exchange& exchange, const std::string& method,
                            const HttpResponse& response);
  absl::Status Refused(Exchange& exchange, const std::string& method, const HttpResponse& response);
  absl::Status SessionLost();
  AsyncStatus Resume(std::shared_ptr<Exchange> exchange, CancelToken cancel);
  asio::awaitable<void> ListenUntilStopped();

  asio::any_io_executor executor_;
  HttpClient* const http_;
  const McpServerConfig config_;
  McpTransportEvents events_;
  McpEra era_ = McpEra::kAuto;
  std::string version_;
  std::string session_;
  CancelSource stop_;
  bool closed_ = false;
};

// Whether `status` says that the server refused a message because it had forgotten the session.
bool IsSessionLost(const absl::Status& status);

// Whether `status` says that no server answered at all.
bool IsUnreachable(const absl::Status& status);

}  // namespace troupe
