// Names of tools as model servers take them: [a-zA-Z0-9_-], where ours may have dots ("files.read",
// of an MCP server). Stateless functions.
#pragma once

#include <string>

#include "agents/models/chat.h"

namespace troupe {

// `name` with "__" for every dot.
std::string WireToolName(const std::string& name);

// The tool of the request that goes by `wire_name`; `wire_name` itself if there is none.
std::string OwnToolName(const ChatRequest& request, const std::string& wire_name);

// Gives the calls of a reply the names that the request knows.
void RestoreToolNames(const ChatRequest& request, Message& message);

}  // namespace troupe
