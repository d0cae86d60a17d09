#include "tools/builtin/artifact_tool.h"

#include <absl/strings/escaping.h>

#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

WriteArtifactTool::WriteArtifactTool() {
  spec_.name = "write_artifact";
  spec_.version = "1";
  spec_.brief = "Puts a file among the task's artifacts.";
  spec_.description = spec_.brief;
  spec_.arguments_schema = {
      {"type", "object"},
      {"properties",
       {{"name", {{"type", "string"}, {"pattern", "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"}}},
        {"text", {{"type", "string"}}},
        {"base64", {{"type", "string"}}},
        {"description", {{"type", "string"}}}}},
      {"required", {"name"}},
      {"additionalProperties", false}};
  spec_.result_schema = {{"type", "object"},
                         {"properties", {{"size_bytes", {{"type", "integer"}}}}},
                         {"required", {"size_bytes"}}};
  spec_.idempotent = true;
}

Async<ToolResult> WriteArtifactTool::Call(ToolCall call) {
  std::string bytes = JsonString(call.arguments, "text");
  if (call.arguments.contains("base64") &&
      !absl::Base64Unescape(JsonString(call.arguments, "base64"), &bytes)) {
    co_return Error(Reason::kToolArgumentsInvalid, "base64: is not base64", {{"field", "base64"}});
  }
  const auto folder = call.context.workspace.artifacts();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::filesystem::create_directory_symlink("../inputs", folder / "inputs", error);
  CO_ASSIGN_OR_RETURN(Artifact artifact,
                      PutArtifact(call.context.workspace, JsonString(call.arguments, "name"),
                                  JsonString(call.arguments, "description"), bytes));
  ToolResult result;
  result.value = {{"size_bytes", artifact.size_bytes}};
  result.artifacts.push_back(std::move(artifact));
  co_return result;
}

}  // namespace troupe
