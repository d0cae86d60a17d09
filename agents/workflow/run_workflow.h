// Runs a workflow over a Scope: every step a span, every action outside an effect, and what was
// done on a tape.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>

#include "agents/runtime/scope.h"
#include "agents/workflow/tape.h"
#include "agents/workflow/workflow_services.h"
#include "tools/base/async.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

struct WorkflowInputs {
  Json inputs = Json::object();  // by name; CheckInputs
  Json values = Json::object();  // in place of what parameters say, by name; CheckValues
};

struct WorkflowOutcome {
  // Why a step failed that does not keep its error; OkStatus: the workflow came to its end.
  absl::Status failure;
  Json answer;                          // null if it failed
  ValueId answer_id = 0;                // on the tape; of a failure the error's
  std::map<std::string, Json> outputs;  // empty if it failed
  WorkflowTape tape;
};

// `workflow` is one that CheckWorkflow lets pass. A status is a failure of the task itself (a
// limit, a cancellation); what a step could not do is the outcome's failure. All arguments outlive
// it.
Async<WorkflowOutcome> RunWorkflow(const Scope& scope, const v1::Workflow& workflow,
                                   const WorkflowInputs& inputs, const WorkflowServices& services);

// The answer as the text of a result.
std::string AnswerText(const Json& answer);

}  // namespace troupe
