// The definition of a tool as an MCP server gives it, and what becomes of it in our registry: a
// name, and a spec that believes the server's hints only where they make us more careful. Stateless
// functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "tools/base/json.h"
#include "tools/mcp/mcp_config.h"
#include "tools/mcp/mcp_headers.h"
#include "tools/tool.h"

namespace troupe {

struct McpDefinition {
  std::string name;    // the server's own
  Json definition;     // as listed
  std::string sha256;  // of name, title, description, schemas and annotations
  std::vector<McpHeaderParam> header_params;
};

// INVALID_ARGUMENT, in words for the log, for a definition that cannot be offered.
absl::StatusOr<McpDefinition> ReadMcpDefinition(const Json& listed);

// Names in the registry, "SERVER.tool", for the tools of one server in their order: letters become
// lower case, what the registry does not allow becomes '_'. A name that is over 64 bytes, or that
// another tool has already, gets a part of the hash of the server's own name at its end. The same
// tools have the same names in every order.
std::vector<std::string> McpToolNames(const std::string& server,
                                      const std::vector<McpDefinition>& definitions);

// What a recorded call, and leave to call, are good for: name and schemas of the tool; of one whose
// definition is not accepted, every word of it.
std::string McpToolVersion(const McpDefinition& definition, bool needs_approval);

ToolSpec McpToolSpec(const McpServerConfig& config, const McpDefinition& definition,
                     std::string tool_name, bool needs_approval);

}  // namespace troupe
