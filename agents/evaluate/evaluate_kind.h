// Evaluate as a kind of task: the edge between its messages and the algorithm. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agents/evaluate/agent_target.h"
#include "agents/evaluate/dataset_source.h"
#include "agents/evaluate/evaluate.h"
#include "agents/prompts/prompt_library.h"
#include "agents/runtime/task_kind.h"
#include "agents/workflow/workflow_services.h"

namespace troupe {

// What an evaluation uses of the server; all of it outlives the kind.
struct EvaluateServices {
  const DatasetSource* datasets = nullptr;
  const PromptSource* prompts = nullptr;
  // What a workflow target may use; an agent target runs its kinds.
  WorkflowServices workflows;
  // The result of a task that has ended, "tasks/{task}"; kNotFound, or kTaskNotTerminal.
  std::function<absl::StatusOr<v1::TaskResult>(const std::string& task)> read_result;
};

class EvaluateKind : public TaskKind {
 public:
  explicit EvaluateKind(EvaluateServices services) : services_(std::move(services)) {}

  std::string_view name() const override { return "evaluate"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  std::vector<std::string> PromptFamilies(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  const EvaluateServices services_;
};

}  // namespace troupe
