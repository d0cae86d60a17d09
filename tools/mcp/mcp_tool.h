// McpTool: a tool of an MCP server in our registry. Thread-safe, as every Tool.
#pragma once

#include <memory>

#include "tools/mcp/mcp_definition.h"
#include "tools/tool.h"

namespace troupe {

class McpServer;

class McpTool : public Tool {
 public:
  McpTool(std::shared_ptr<McpServer> server, McpDefinition definition, ToolSpec spec);

  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override;

 private:
  Async<Json> CallOnce(const ToolContext* context, Json params,
                       std::vector<std::pair<std::string, std::string>> headers);
  Async<Json> AnswerInputs(const ToolContext* context, Json requests);

  const std::weak_ptr<McpServer> server_;
  const std::string server_name_;
  const McpDefinition definition_;
  const ToolSpec spec_;
};

}  // namespace troupe
