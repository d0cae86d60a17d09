#include "agents/models/tool_names.h"

namespace troupe {

std::string WireToolName(const std::string& name) {
  std::string wire;
  for (char c : name) wire += c == '.' ? std::string("__") : std::string(1, c);
  return wire;
}

std::string OwnToolName(const ChatRequest& request, const std::string& wire_name) {
  for (const ToolDeclaration& tool : request.tools) {
    if (tool.name == wire_name) return wire_name;
  }
  for (const ToolDeclaration& tool : request.tools) {
    if (WireToolName(tool.name) == wire_name) return tool.name;
  }
  return wire_name;
}

void RestoreToolNames(const ChatRequest& request, Message& message) {
  for (ToolUse& use : message.tool_uses) use.name = OwnToolName(request, use.name);
}

}  // namespace troupe
