// Solve as a kind of task: the edge between its messages and the algorithm. Thread-safe.
#pragma once

#include <string>

#include "agents/runtime/task_kind.h"

namespace troupe {

class SolveKind : public TaskKind {
 public:
  // `tools` outlives the kind. `shown_tools`: how many tools an agent is shown unless its task
  // says.
  SolveKind(const ToolRegistry* tools, int shown_tools)
      : tools_(tools), shown_tools_(shown_tools) {}

  std::string_view name() const override { return "solve"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  const ToolRegistry* const tools_;
  const int shown_tools_;
};

}  // namespace troupe
