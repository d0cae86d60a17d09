// What an MCP server asks in mid-call, answered by the task: a person (elicitation), a model
// (sampling), its workspace (roots). The same in both eras. Stateless functions.
#pragma once

#include <string>

#include "tools/base/async.h"
#include "tools/base/json.h"
#include "tools/mcp/mcp_config.h"
#include "tools/tool.h"

namespace troupe {

// The result of one request of the server, as the protocol has it. Fails with INVALID_ARGUMENT (in
// words for the server) for what is refused, UNIMPLEMENTED for what is not known, or what asking
// the task fails with. Runs on the task's strand; `context` lives until it ends.
Async<Json> AnswerMcpQuestion(McpServerConfig config, std::string tool, std::string method,
                              Json params, const ToolContext* context);

// The roots that a server is told of; `workspace` is null outside of a call.
Json McpRoots(const McpServerConfig& config, const Workspace* workspace);

}  // namespace troupe
