// What a tool of an MCP server returned, as a result of ours: text and images for the agent's eyes,
// other media as artifacts of the task. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "tools/base/json.h"
#include "tools/tool.h"

namespace troupe {

// `result` is the result of tools/call. kToolFailed if it is none, or a file cannot be written.
absl::StatusOr<ToolResult> ReadMcpResult(const std::string& tool, const Json& result,
                                         const ToolContext& context);

}  // namespace troupe
