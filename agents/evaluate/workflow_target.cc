#include "agents/evaluate/workflow_target.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/workflow/check.h"
#include "agents/workflow/protobuf_value.h"
#include "agents/workflow/run_workflow.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kPlace[] = "spec.evaluate.workflow";
constexpr char kItemQuestion[] = "question";

absl::Status WrongTarget(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("{}.{}", kPlace, field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> MatchInputs(
    const v1::Workflow& workflow, const std::map<std::string, std::string>& given,
    const std::vector<std::string>& known) {
  const auto is_known = [&](const std::string& field) {
    return field == kItemQuestion || std::find(known.begin(), known.end(), field) != known.end();
  };
  for (const auto& [input, field] : given) {
    if (!workflow.inputs().contains(input)) {
      return Error(Reason::kInvalidField, fmt::format("the workflow has no input '{}'", input));
    }
    if (!is_known(field)) {
      return Error(Reason::kInvalidField, fmt::format("items have no field '{}': there are {}",
                                                      field, fmt::join(known, ", ")));
    }
  }
  std::map<std::string, std::string> fields = given;
  for (const auto& [name, input] : workflow.inputs()) {
    if (fields.contains(name)) continue;
    if (is_known(name)) {
      fields[name] = name;
    } else if (workflow.inputs_size() == 1) {
      fields[name] = kItemQuestion;
    } else if (!input.has_default_()) {
      return Error(Reason::kInvalidField,
                   fmt::format("say which field of the items the input '{}' is", name));
    }
  }
  return fields;
}

absl::StatusOr<Json> InputsOfItem(const std::map<std::string, std::string>& fields,
                                  const Item& item) {
  Json inputs = Json::object();
  for (const auto& [input, field] : fields) {
    if (field == item.answer_field) {
      return Error(Reason::kInvalidField,
                   fmt::format("the input '{}' is the answer that is expected, which a workflow "
                               "must not see",
                               input));
    }
    if (item.fields.contains(field)) {
      inputs[input] = item.fields[field];
    } else if (field == kItemQuestion) {
      inputs[input] = item.question;
    } else {
      return Error(Reason::kInvalidField, fmt::format("item {} has no field '{}'", item.id, field));
    }
  }
  return inputs;
}

absl::StatusOr<std::shared_ptr<const WorkflowTarget>> WorkflowTarget::Make(
    const v1::EvaluateWorkflowTarget& target, const std::vector<std::string>& known,
    WorkflowServices services) {
  RETURN_IF_ERROR(CheckWorkflow(target.workflow(), services, fmt::format("{}.workflow", kPlace)));
  RETURN_IF_ERROR(CheckValues(target.workflow(), JsonOfEntries(target.values()),
                              fmt::format("{}.values", kPlace)));
  if (!target.parameter().empty()) {
    const auto found = target.workflow().parameters().find(target.parameter());
    if (found == target.workflow().parameters().end() || found->second.has_value()) {
      return WrongTarget("parameter", "is no prompt and no code of the workflow");
    }
  }
  const std::map<std::string, std::string> given(target.inputs().begin(), target.inputs().end());
  auto fields = MatchInputs(target.workflow(), given, known);
  if (!fields.ok()) return WrongTarget("inputs", MessageOf(fields.status()));
  return std::shared_ptr<const WorkflowTarget>(
      new WorkflowTarget(target, *std::move(fields), std::move(services)));
}

Async<TargetAnswer> WorkflowTarget::Run(const Scope& scope, Item item,
                                        PromptUnderTest prompt) const {
  WorkflowInputs inputs;
  CO_ASSIGN_OR_RETURN(inputs.inputs, InputsOfItem(fields_, item));
  inputs.values = JsonOfEntries(target_.values());
  if (!target_.parameter().empty() && !prompt.text.empty()) {
    inputs.values[target_.parameter()] = prompt.text;
  }
  CO_RETURN_IF_ERROR(CheckInputs(target_.workflow(), inputs.inputs, "inputs"));
  // Steps may have the names that graders' effects have.
  Scope run = scope.Open("workflow", "workflow", "");
  auto outcome = co_await RunWorkflow(run, target_.workflow(), inputs, services_);
  const absl::Status ended = outcome.ok() ? outcome->failure : outcome.status();
  run.End(ended);
  CO_RETURN_IF_ERROR(ended);
  co_return TargetAnswer{AnswerText(outcome->answer), run.usage()};
}

}  // namespace troupe
