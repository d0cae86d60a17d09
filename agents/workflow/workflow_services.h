// What workflows use of the server; all of it outlives them.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "agents/prompts/agent_run.h"
#include "agents/prompts/prompt_library.h"
#include "tools/tool.h"

namespace troupe {

struct WorkflowServices {
  // Kinds of task that a step may run.
  FindKindFn find_kind;
  // What a tool says of itself; kToolUnknown.
  std::function<absl::StatusOr<std::shared_ptr<const ToolSpec>>(const std::string& tool)> find_tool;
  const PromptSource* prompts = nullptr;
};

}  // namespace troupe
