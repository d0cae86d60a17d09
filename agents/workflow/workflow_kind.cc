#include "agents/workflow/workflow_kind.h"

#include "agents/runtime/task_result.h"
#include "agents/workflow/check.h"
#include "agents/workflow/operations.h"
#include "agents/workflow/protobuf_value.h"
#include "agents/workflow/run_workflow.h"
#include "tools/base/status_macros.h"

namespace troupe {

std::string WorkflowKind::TitleOf(const v1::TaskSpec& spec) const {
  const v1::Workflow& workflow = spec.workflow().workflow();
  if (!workflow.description().empty()) return workflow.description();
  return workflow.steps().empty() ? "A workflow"
                                  : "A workflow: " + workflow.steps(0).name() + " ...";
}

absl::Status WorkflowKind::Validate(const v1::TaskSpec& spec) const {
  const v1::WorkflowSpec& workflow = spec.workflow();
  RETURN_IF_ERROR(CheckWorkflow(workflow.workflow(), services_, "spec.workflow.workflow"));
  RETURN_IF_ERROR(
      CheckInputs(workflow.workflow(), JsonOfEntries(workflow.inputs()), "spec.workflow.inputs"));
  return CheckValues(workflow.workflow(), JsonOfEntries(workflow.values()), "spec.workflow.values");
}

std::vector<SpecProblem> WorkflowKind::FindSpecProblems(const v1::TaskSpec& spec) const {
  std::vector<SpecProblem> problems;
  for (WorkflowProblem& problem : FindProblems(spec.workflow().workflow(), services_)) {
    problems.push_back({"spec.workflow.workflow." + problem.place, std::move(problem.what)});
  }
  return problems.empty() ? TaskKind::FindSpecProblems(spec) : problems;
}

std::vector<std::string> WorkflowKind::PromptFamilies(const v1::TaskSpec& spec) const {
  return PromptFamiliesOf(spec.workflow().workflow());
}

Async<v1::TaskResult> WorkflowKind::Run(Scope& scope, v1::TaskSpec spec) const {
  const v1::WorkflowSpec& workflow = spec.workflow();
  const WorkflowInputs inputs{JsonOfEntries(workflow.inputs()), JsonOfEntries(workflow.values())};
  auto outcome = co_await RunWorkflow(scope, workflow.workflow(), inputs, services_);
  v1::TaskResult result;
  if (IsLimit(outcome.status())) {
    result.set_stop_reason(StopReasonOf(outcome.status()));
    co_return result;
  }
  CO_RETURN_IF_ERROR(outcome.status());
  CO_RETURN_IF_ERROR(outcome->failure);
  result.set_text(AnswerText(outcome->answer));
  result.set_stop_reason(StopReasonOf(absl::OkStatus()));
  v1::WorkflowResult& detail = *result.mutable_workflow();
  *detail.mutable_answer() = ValueOf(outcome->answer);
  for (const auto& [name, value] : outcome->outputs) {
    (*detail.mutable_outputs())[name] = ValueOf(value);
  }
  FillOperations(outcome->tape, detail);
  co_return result;
}

}  // namespace troupe
