// WorkflowTarget: a workflow for each run, given the item's fields.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/evaluate/target.h"
#include "agents/workflow/workflow_services.h"
#include "tools/base/json.h"
#include "troupe/v1/evaluate.pb.h"

namespace troupe {

// Which fields of items a workflow's inputs are: those that `given` names, else those of the same
// name, else, of its only one, the question. kInvalidField for an input that is not to be had.
absl::StatusOr<std::map<std::string, std::string>> MatchInputs(
    const v1::Workflow& workflow, const std::map<std::string, std::string>& given,
    const std::vector<std::string>& known);

// What a workflow is given of an item; kInvalidField if it lacks a field, or that is the answer
// which is expected.
absl::StatusOr<Json> InputsOfItem(const std::map<std::string, std::string>& fields,
                                  const Item& item);

class WorkflowTarget : public Target {
 public:
  // kInvalidField, naming the field below "spec.evaluate.workflow".
  static absl::StatusOr<std::shared_ptr<const WorkflowTarget>> Make(
      const v1::EvaluateWorkflowTarget& target, const std::vector<std::string>& known,
      WorkflowServices services);

  // The text under test stands in the place of the parameter that the target names.
  Async<TargetAnswer> Run(const Scope& scope, Item item, PromptUnderTest prompt) const override;

 private:
  WorkflowTarget(v1::EvaluateWorkflowTarget target, std::map<std::string, std::string> fields,
                 WorkflowServices services)
      : target_(std::move(target)), fields_(std::move(fields)), services_(std::move(services)) {}

  const v1::EvaluateWorkflowTarget target_;
  const std::map<std::string, std::string> fields_;  // of items, by input
  const WorkflowServices services_;
};

}  // namespace troupe
