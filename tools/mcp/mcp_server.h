// McpServer: one configured MCP server, kept running: connected to, started again when it ends, its
// tools kept in the registry as they come, change and go.
//
// Thread-confined to its executor, but for what says otherwise.
#pragma once

#include <absl/status/status.h>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/http/http_client.h"
#include "tools/mcp/mcp_breakers.h"
#include "tools/mcp/mcp_call.h"
#include "tools/mcp/mcp_config.h"
#include "tools/mcp/mcp_memory.h"
#include "tools/mcp/mcp_peer.h"
#include "tools/mcp/mcp_session.h"
#include "tools/tool_registry.h"

namespace troupe {

class McpServer : public std::enable_shared_from_this<McpServer> {
 public:
  // `http` and `registry` outlive the server. What it remembers is kept in `folder`.
  McpServer(asio::any_io_executor executor, McpServerConfig config, HttpClient* http,
            ToolRegistry* registry, const std::filesystem::path& folder);

  const McpServerConfig& config() const { return config_; }  // any thread

  // Offers the tools that are remembered, and begins to connect. `first_try` is called once, when
  // the server is ready or the first try to connect to it has failed.
  void Start(std::function<void()> first_try);
  // True if its tools are known from an earlier start.
  bool knows_tools() const { return !memory_.tools().empty(); }
  // Ends the connection and takes its tools out of the registry; calls under way fail.
  AsyncStatus Stop();

  // Begins a call, which is told what becomes of it. Any thread.
  void Call(std::shared_ptr<McpCall> call);

  // Accepts the definition with this hash; kNotFound if no tool has it.
  absl::Status Accept(const std::string& sha256);

 private:
  enum class State { kConnecting, kReady, kWaiting, kGivenUp, kStopped };

  asio::awaitable<void> Serve(std::function<void()> first_try);
  AsyncStatus Connect();
  std::shared_ptr<McpTransport> MakeTransport();
  AsyncStatus RefreshTools();
  asio::awaitable<void> RefreshWhenAsked();
  asio::awaitable<void> ListenForChanges(std::shared_ptr<McpPeer> peer);
  void OfferTools();
  asio::awaitable<void> Carry(std::shared_ptr<McpCall> call);
  Async<std::shared_ptr<McpPeer>> WaitForTurn(std::shared_ptr<McpCall> call);
  Async<Json> Perform(std::shared_ptr<McpPeer> peer, std::shared_ptr<McpCall> call);
  absl::Status WhyDown() const;

  // Lets everyone look again who waits in WaitForChange.
  void Changed();
  // Until Changed, the deadline or the token's cancellation.
  AsyncStatus WaitForChange(absl::Time deadline, CancelToken cancel);

  asio::any_io_executor executor_;
  const McpServerConfig config_;
  HttpClient* const http_;
  ToolRegistry* const registry_;
  McpMemory memory_;
  State state_ = State::kConnecting;
  std::shared_ptr<McpPeer> peer_;
  McpSession session_;
  CancelSource stop_;
  absl::Status last_failure_;
  absl::Time last_attempt_ = absl::InfinitePast();
  int failures_ = 0;          // in a row
  bool probing_ = false;      // its era is being found out
  bool legacy_hint_ = false;  // it ended when it was asked in the manner of the modern era
  bool served_ = false;       // a call succeeded since it was started
  bool serving_ = false;      // Serve runs
  bool refresh_asked_ = false;
  bool refreshing_ = false;
  int calls_ = 0;    // under way
  int waiting_ = 0;  // for their turn
  std::list<std::shared_ptr<asio::steady_timer>> waiters_;
  McpBreakers breakers_;
  std::map<std::string, std::string> offered_;  // versions of definitions by tool names
};

}  // namespace troupe
