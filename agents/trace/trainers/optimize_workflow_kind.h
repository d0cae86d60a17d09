// Optimize_workflow as a kind of task: the edge between its messages and the algorithm.
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "agents/evaluate/dataset_source.h"
#include "agents/runtime/task_kind.h"
#include "agents/workflow/workflow_services.h"

namespace troupe {

class OptimizeWorkflowKind : public TaskKind {
 public:
  // `datasets` outlives the kind.
  OptimizeWorkflowKind(const DatasetSource* datasets, WorkflowServices services)
      : datasets_(datasets), services_(std::move(services)) {}

  std::string_view name() const override { return "optimize_workflow"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  std::vector<SpecProblem> FindSpecProblems(const v1::TaskSpec& spec) const override;
  std::vector<std::string> PromptFamilies(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  const DatasetSource* const datasets_;
  const WorkflowServices services_;
};

}  // namespace troupe
