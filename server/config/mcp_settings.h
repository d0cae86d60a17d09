// Reads [mcp.NAME]. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "server/config/toml_table.h"
#include "tools/mcp/mcp_config.h"

namespace troupe {

// `environment` looks up variables; "" for one that is not set. Relative paths are taken from
// `folder`.
absl::StatusOr<std::vector<McpServerConfig>> ReadMcpServers(
    TomlTable table, const std::filesystem::path& folder,
    const std::function<std::string(const std::string&)>& environment);

}  // namespace troupe
