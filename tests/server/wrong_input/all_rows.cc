#include <iterator>

#include "tests/server/wrong_input/rows.h"

namespace troupe {

const std::vector<WrongInputRow>& AllWrongInputRows() {
  static const auto* const all = [] {
    auto* rows = new std::vector<WrongInputRow>();
    for (const auto& part :
         {WrongTaskRows, WrongKindRows, WrongEvaluateRows, WrongWorkflowRows, WrongDatasetRows,
          WrongTraceRows, WrongToolRows, WrongPromptRows, WrongOptimizerRows}) {
      std::vector<WrongInputRow> more = part();
      rows->insert(rows->end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
    }
    return rows;
  }();
  return *all;
}

const std::set<std::string>& FieldsThatTakeAnything() {
  static const auto* const fields = new std::set<std::string>{
      "SubmitTask spec.seed",
      "SubmitTask validate_only",
      "SubmitTask spec.workflow.workflow.steps.keep_error",
      "SubmitTask spec.workflow.workflow.steps.if.condition.is_set",
      "SubmitTask spec.workflow.workflow.steps.while.condition.is_set",
      "SubmitTask spec.optimize_workflow.summarize",
      "SubmitTask spec.optimize_workflow.graders.normalized.contains",
      "SubmitTask spec.optimize_workflow.graders.regex.full_match",
      "SubmitTask spec.cellagent.ask_clarification",
      "SubmitTask spec.solve.plan",
      "SubmitTask spec.evaluate.graders.normalized.contains",
      "SubmitTask spec.evaluate.graders.regex.full_match",
      "CreateDataset header.split_field",
      "CancelTask reason",
      "SubmitTask spec.cellagent.use_vision",
      "RespondToTask text",
      "DeleteTask force",
      "DiffTraces include_same",
      "DiffTraces path",
      "ForkTask text",
      "ForkTask value_json",
      "ForkTask models",
      "ForkTask prompts",
      "ForkTask seed",
      "CreatePrompt variables.required",
      "PromotePrompt etag",
      "PromotePrompt without_evidence",
      "RollbackPrompt etag",
      "Attach hello.library",
      "Attach hello.tools.read_only",
      "Attach hello.tools.idempotent",
      "Attach hello.tools.destructive",
      "Attach hello.tools.needs_approval",
      "Attach hello.environments.snapshots",
      // What is said of calls: a provider is not ended for what it says of one that nobody waits
      // for.
      "Attach progress.call_id",
      "Attach progress.text",
      "Attach progress.output",
      "Attach artifact.call_id",
      "Attach artifact.name",
      "Attach artifact.description",
      "Attach artifact.data",
      "Attach artifact.last",
      "Attach result.call_id",
      "Attach result.output.value_json",
      "Attach result.output.content.text",
      "Attach result.output.content.image.media_type",
      "Attach result.output.content.image.data",
      "Attach result.output.is_error",
      "Attach result.failure.message",
      "SubmitTask spec.optimizer_step.graph.nodes.value.bool_value",
      "SubmitTask spec.optimizer_step.graph.nodes.value.int_value",
      "SubmitTask spec.optimizer_step.graph.nodes.value.text",
      "SubmitTask spec.optimizer_step.graph.nodes.value.code",
      "Step graph.nodes.value.bool_value",
      "Step graph.nodes.value.int_value",
      "Step graph.nodes.value.text",
      "Step graph.nodes.value.code",
      "SubmitTask spec.optimizer_step.optimizer.example",
      "SubmitTask spec.optimizer_step.optimizer.keep_hidden",
      "CreateOptimizer settings.config.example",
      "CreateOptimizer settings.config.keep_hidden",
      "CreateOptimizer settings.seed",
  };
  return *fields;
}

}  // namespace troupe
