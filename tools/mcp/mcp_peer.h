// McpPeer: JSON-RPC with one MCP server over one transport: requests with ids, time-outs, progress
// and cancellation, notifications, and what the server asks of us. Thread-confined to its executor.
#pragma once

#include <absl/time/time.h>

#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/suspend.h"
#include "tools/mcp/json_rpc.h"
#include "tools/mcp/mcp_transport.h"

namespace troupe {

struct McpRequest {
  std::string method;
  Json params = Json::object();
  std::vector<std::pair<std::string, std::string>> headers;
  absl::Duration quiet_time = absl::Seconds(60);  // without a reply or progress
  absl::Duration max_time = absl::Minutes(10);    // whatever progress is reported
  CancelToken cancel;
  // Progress with rising figures, if the server reports it: the notification's params.
  std::function<void(const Json&)> on_progress;
  // Takes a request of the server that came while this one was under way and belongs to it, to be
  // answered by Reply. Empty: such requests are refused.
  std::function<void(const RpcMessage&)> on_question;
};

// Whether a request was sent, and the connection broke before the reply: what it did is not known.
bool IsLostReply(const absl::Status& status);

class McpPeer : public std::enable_shared_from_this<McpPeer> {
 public:
  struct Events {
    std::function<void(const std::string& method, const Json& params)> on_notification;
    // A request of the server that belongs to none of ours; to be answered by Reply.
    std::function<void(const RpcMessage&)> on_request;
    std::function<void(absl::Status why)> on_closed;
  };

  McpPeer(asio::any_io_executor executor, std::string name,
          std::shared_ptr<McpTransport> transport);

  AsyncStatus Start(Events events);
  // Ends the transport; what is under way fails.
  AsyncStatus Stop();
  // Lets what is under way fail, and takes nothing more.
  void Close();

  // kToolFailed for an error of the server (RpcCodeOf) or a connection that broke,
  // kDeadlineExceeded for a time-out, kQueueFull for too many requests, or the token's status. A
  // request that is given up is cancelled at the server.
  Async<Json> Request(McpRequest request);
  AsyncStatus Notify(std::string method, Json params);

  // Answers a request of the server.
  void Reply(const Json& id, absl::StatusOr<Json> result);

  // What every request says of us in its _meta from now on.
  void SetMeta(Json meta) { meta_ = std::move(meta); }

  McpTransport& transport() { return *transport_; }
  bool closed() const { return closed_; }

 private:
  struct Pending;

  void Begin(const std::shared_ptr<Pending>& pending, Json params);
  void Complete(int64_t id, absl::StatusOr<Json> result);
  void GiveUp(int64_t id, const absl::Status& why);
  void Watch(const std::shared_ptr<Pending>& pending);
  void Take(const Json& value, int64_t origin);
  void TakeQuestion(const RpcMessage& message, int64_t origin);
  void TakeProgress(const Json& params);
  void Closed(absl::Status why);
  std::shared_ptr<Pending> OwnerOf(int64_t origin) const;
  void SendLater(Json message);

  asio::any_io_executor executor_;
  const std::string name_;
  const std::shared_ptr<McpTransport> transport_;
  Events events_;
  std::map<int64_t, std::shared_ptr<Pending>> pending_;
  std::map<std::string, int64_t> questions_;  // ids of the server's open requests, to ours
  Json meta_ = Json::object();
  int64_t last_id_ = 0;
  bool closed_ = false;
  absl::Status why_closed_;
};

}  // namespace troupe
