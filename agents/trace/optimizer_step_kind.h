// One step of an optimizer as a kind of task: the edge between its messages and the algorithms.
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "agents/runtime/task_kind.h"

namespace troupe {

class OptimizerStepKind : public TaskKind {
 public:
  std::string_view name() const override { return "optimizer_step"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  std::vector<std::string> PromptFamilies(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;
};

// Checks a step as Validate does, with the fields' names below `field` ("spec.optimizer_step", or
// "" for those of a request).
absl::Status CheckOptimizerStep(const v1::OptimizerStepSpec& step, const std::string& field);

// A parameter's change as its message, with the difference.
v1::ParameterChange ChangeMessage(const std::string& name, const v1::GraphValue& before,
                                  const v1::GraphValue& after);

}  // namespace troupe
