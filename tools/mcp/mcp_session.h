// Opening a session with an MCP server: which era it speaks, which revision, and what it can.
// Stateless functions.
#pragma once

#include <absl/time/time.h>

#include <memory>
#include <string>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/json.h"
#include "tools/mcp/mcp_config.h"
#include "tools/mcp/mcp_peer.h"

namespace troupe {

struct McpSession {
  McpEra era = McpEra::kLegacy;
  std::string version;  // "2025-11-25"
  Json capabilities = Json::object();
  std::string server;  // as it names itself, with its version; for the log alone
};

std::string_view McpEraName(McpEra era);

// What we tell a server that we can.
Json McpClientCapabilities(const McpServerConfig& config);

// Opens a session within `time`. With McpEra::kAuto the modern era is tried first, and the legacy
// one unless the answer can only come from a modern server. kToolFailed if neither is spoken, or no
// revision that we know.
Async<McpSession> OpenMcpSession(std::shared_ptr<McpPeer> peer, McpServerConfig config, McpEra era,
                                 absl::Duration time);

// All pages of tools/list.
Async<std::vector<Json>> ListMcpTools(std::shared_ptr<McpPeer> peer, std::string server,
                                      absl::Duration time);

}  // namespace troupe
