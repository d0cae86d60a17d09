// A whole task of another kind as a part of a task: its spec, given as JSON whose texts are
// templates, filled and run below a scope. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <string>

#include "agents/runtime/task_kind.h"
#include "tools/base/json.h"

namespace troupe {

// Finds a kind by its name; null: there is none.
using FindKindFn = std::function<const TaskKind*(const std::string& name)>;

// The kind that a task of this spec would be of: "" if the spec names none or several.
std::string KindNameOf(const Json& spec);

// Fills or checks one text of a spec that has "{{" in it.
using ChangeTextFn = std::function<absl::Status(std::string& text)>;
absl::Status ChangeTemplates(Json& spec, const ChangeTextFn& change);

// kInvalidField if it is no TaskSpec.
absl::StatusOr<v1::TaskSpec> ParseTaskSpec(const Json& spec);

// Runs `spec` in the span "agent" of `scope`, which outlives it, with `texts` in place of
// registered prompts (overlay.h). A run that a limit of the task stopped is a failure with that
// limit; a spec that the kind refuses is kInvalidField.
struct AgentAnswer {
  v1::TaskResult result;
  Usage usage;
};
Async<AgentAnswer> RunAgent(const Scope& scope, const TaskKind* kind, v1::TaskSpec spec,
                            std::map<std::string, std::string> texts);

}  // namespace troupe
