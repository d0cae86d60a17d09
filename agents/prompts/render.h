// Prompts of a task, rendered: in the version that the task's spec names, else the active one.
// Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "agents/models/chat.h"
#include "agents/runtime/scope.h"

namespace troupe {

struct RenderedPrompt {
  std::string id;  // "solve.planner@2"
  std::string text;
};

// kNotFound without the prompt; kInvalidField if `values` are not what it declares.
absl::StatusOr<RenderedPrompt> RenderPrompt(const Scope& scope, const std::string& prompt,
                                            const Json& values);

// A request with the one rendered prompt as what the user says.
absl::StatusOr<ChatRequest> PromptRequest(const Scope& scope, const std::string& prompt,
                                          const Json& values);

}  // namespace troupe
