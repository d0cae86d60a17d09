// StdioTransport: an MCP server that trouped starts as a child process; one message a line. What it
// writes to its standard error goes to the log, within bounds. Thread-confined to its executor.
#pragma once

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/mcp/child_process.h"
#include "tools/mcp/mcp_transport.h"

namespace troupe {

class StdioTransport : public McpTransport, public std::enable_shared_from_this<StdioTransport> {
 public:
  // `name` is the server's, for the log; `secrets` never reach it.
  StdioTransport(asio::any_io_executor executor, std::string name, ChildSpec spec,
                 std::vector<std::string> secrets);
  ~StdioTransport() override;

  // kToolFailed if the program cannot be started.
  AsyncStatus Start(McpTransportEvents events) override;
  // kQueueFull if the server does not read what it is sent.
  AsyncStatus Send(Json message, McpSendOptions options) override;
  void SetVersion(McpEra, std::string) override {}
  AsyncStatus Stop() override;
  bool has_reply_streams() const override { return false; }

 private:
  asio::awaitable<void> ReadMessages();
  asio::awaitable<void> ReadErrors();
  asio::awaitable<void> WaitForExit();
  asio::awaitable<void> WriteQueued();
  void TakeLine(std::string line);
  void LogLine(const std::string& line);
  void Close(absl::Status why);

  asio::any_io_executor executor_;
  const std::string name_;
  const ChildSpec spec_;
  const std::vector<std::string> secrets_;
  McpTransportEvents events_;
  std::optional<ChildProcess> child_;
  asio::posix::stream_descriptor input_;
  asio::posix::stream_descriptor output_;
  asio::posix::stream_descriptor errors_;
  asio::posix::stream_descriptor exit_;
  asio::steady_timer exited_;  // expires when the process has ended
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool closed_ = false;
  std::string last_words_;  // the last line of its standard error, for the reason of its end
  int logged_lines_ = 0;    // of this minute
  absl::Time minute_ = absl::InfinitePast();
};

}  // namespace troupe
