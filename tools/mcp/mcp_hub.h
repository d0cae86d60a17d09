// McpHub: the configured MCP servers, on a thread of their own. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tools/http/http_client.h"
#include "tools/mcp/mcp_config.h"
#include "tools/tool_registry.h"

namespace troupe {

class McpServer;

class McpHub {
 public:
  // `registry` outlives the hub; what is remembered of servers is kept in `folder`.
  McpHub(std::vector<McpServerConfig> servers, std::filesystem::path folder,
         ToolRegistry* registry);
  // Stops.
  ~McpHub();
  McpHub(const McpHub&) = delete;
  McpHub& operator=(const McpHub&) = delete;

  // Starts all servers. Returns when those whose tools are not known from before have been tried
  // once; a server that cannot be reached is tried again behind the scenes.
  void Start();
  // Ends all servers, politely at first. Calls under way fail.
  void Stop();

  // Accepts a tool's definition, by the hash that the log and ToolService tell, so that its calls
  // need no approval any more. kNotFound for a server or a definition that is not there.
  absl::Status Accept(const std::string& server, const std::string& sha256);

 private:
  const std::vector<McpServerConfig> configs_;
  const std::filesystem::path folder_;
  ToolRegistry* const registry_;
  asio::io_context io_;
  // Its thread posts to io_: it ends first.
  std::unique_ptr<HttpClient> http_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::shared_ptr<McpServer>> servers_;
  std::thread thread_;
};

}  // namespace troupe
