// McpMemory: what is remembered of one MCP server from one start of trouped to the next: its era,
// its tools, and which definitions were accepted. A file of JSON. Thread-confined.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/mcp/mcp_config.h"
#include "tools/mcp/mcp_definition.h"

namespace troupe {

class McpMemory {
 public:
  // Reads the file of the server in `folder`; forgets what it holds if the server's command or
  // address is another than then.
  McpMemory(const std::filesystem::path& folder, const McpServerConfig& config);

  McpEra era() const { return era_; }
  void SetEra(McpEra era);

  // The tools that were listed last.
  const std::vector<McpDefinition>& tools() const { return tools_; }
  // Takes a new list; definitions that are new are accepted if the configuration has it so.
  void SetTools(std::vector<McpDefinition> tools);

  bool NeedsApproval(const McpDefinition& definition) const;
  // Accepts the definition from now on that has this hash, or this version while it is not
  // accepted. False if no tool has it.
  bool Accept(const std::string& identity);

 private:
  void Load();
  void Save() const;

  const std::filesystem::path file_;
  const McpServerConfig config_;
  const std::string identity_;  // of command or address, hashed
  McpEra era_ = McpEra::kAuto;
  std::vector<McpDefinition> tools_;
  std::map<std::string, std::set<std::string>> accepted_;  // hashes by the server's tool names
};

}  // namespace troupe
