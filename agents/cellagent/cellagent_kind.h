// CellAgent as a kind of task: the edge between its messages and the algorithm. Thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agents/cellagent/toolbox.h"
#include "agents/runtime/task_kind.h"

namespace troupe {

class CellAgentKind : public TaskKind {
 public:
  explicit CellAgentKind(std::map<std::string, Toolbox> toolboxes)
      : toolboxes_(std::move(toolboxes)) {}

  std::string_view name() const override { return "cellagent"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  std::vector<std::string> PromptFamilies(const v1::TaskSpec&) const override {
    return {"cellagent", "compare"};
  }
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  const std::map<std::string, Toolbox> toolboxes_;
};

}  // namespace troupe
