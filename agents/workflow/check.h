// The checks of a workflow's document before anything runs: unknown and doubled names, references
// to what comes later or is not seen, templates, schemas, arguments, bounds. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "agents/workflow/workflow_services.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

struct WorkflowProblem {
  std::string place;  // "steps[2].model.messages[0].text"
  std::string what;
};

// All problems, at most 50, in the order of the document.
std::vector<WorkflowProblem> FindProblems(const v1::Workflow& workflow,
                                          const WorkflowServices& services);

// kInvalidField with a line "PREFIX.PLACE: WHAT" for each problem; the field is that of the first.
absl::Status CheckWorkflow(const v1::Workflow& workflow, const WorkflowServices& services,
                           const std::string& prefix);

// kInvalidField for inputs that are unknown, missing or of another type; below `prefix`.
absl::Status CheckInputs(const v1::Workflow& workflow, const Json& inputs,
                         const std::string& prefix);
// The same for values in place of parameters.
absl::Status CheckValues(const v1::Workflow& workflow, const Json& values,
                         const std::string& prefix);

}  // namespace troupe
