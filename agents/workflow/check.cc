#include "agents/workflow/check.h"

#include <fmt/format.h>

#include "agents/prompts/prompt_library.h"
#include "agents/runtime/text.h"
#include "agents/workflow/binding.h"
#include "agents/workflow/parameter.h"
#include "agents/workflow/problems.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

using internal::NameKind;
using internal::ProblemList;
using internal::SeenNames;

constexpr size_t kMaxProblems = 50;
// Of an error's message: with its details it must fit where gRPC carries it.
constexpr size_t kMaxErrorText = 1500;
constexpr size_t kMaxDescription = 4 * 1024;
constexpr int kMaxNames = 64;
constexpr int kMaxValueLength = 64 * 1024;
constexpr int kMaxChoices = 100;

VariableType TypeOf(const v1::WorkflowInput& input) {
  switch (input.type()) {
    case v1::WorkflowInput::TYPE_TEXT:
      return VariableType::kText;
    case v1::WorkflowInput::TYPE_NUMBER:
      return VariableType::kNumber;
    case v1::WorkflowInput::TYPE_BOOLEAN:
      return VariableType::kBoolean;
    case v1::WorkflowInput::TYPE_LIST:
      return VariableType::kList;
    case v1::WorkflowInput::TYPE_OBJECT:
      return VariableType::kObject;
    default:
      return VariableType::kAny;
  }
}

bool IsOfType(const v1::WorkflowInput& input, const Json& value) {
  switch (input.type()) {
    case v1::WorkflowInput::TYPE_TEXT:
      return value.is_string();
    case v1::WorkflowInput::TYPE_NUMBER:
      return value.is_number();
    case v1::WorkflowInput::TYPE_BOOLEAN:
      return value.is_boolean();
    case v1::WorkflowInput::TYPE_LIST:
      return value.is_array();
    case v1::WorkflowInput::TYPE_OBJECT:
      return value.is_object();
    default:
      return true;
  }
}

template <typename Map>
std::map<std::string, typename Map::mapped_type> Ordered(const Map& map) {
  return {map.begin(), map.end()};
}

void CheckName(const std::string& name, const std::string& place, const SeenNames& seen,
               ProblemList& problems) {
  if (!IsWorkflowName(name)) {
    problems.Add(place, "a name has 1 to 40 lower-case letters, digits and _, a letter first");
  } else if (seen.contains(name)) {
    problems.Add(place, fmt::format("'{}' is the name of something else already", name));
  }
}

void CheckDescription(const std::string& description, const std::string& place,
                      ProblemList& problems) {
  if (description.size() > kMaxDescription) problems.Add(place, "at most 4 KiB");
}

void AddInputs(const v1::Workflow& workflow, SeenNames& seen, ProblemList& problems) {
  if (workflow.inputs_size() > kMaxNames) problems.Add("inputs", "at most 64");
  for (const auto& [name, input] : Ordered(workflow.inputs())) {
    const std::string place = fmt::format("inputs[{}]", name);
    CheckName(name, place, seen, problems);
    CheckDescription(input.description(), place + ".description", problems);
    if (!v1::WorkflowInput::Type_IsValid(input.type())) {
      problems.Add(place + ".type", "there is no such type");
    } else if (input.has_default_() && !IsOfType(input, JsonOf(input.default_()))) {
      problems.Add(place + ".default", "is not of the input's type");
    }
    seen[name] = {NameKind::kInput, TypeOf(input)};
  }
}

NameKind KindOf(const v1::WorkflowParameter& parameter) {
  if (parameter.has_code()) return NameKind::kCode;
  return parameter.has_value() ? NameKind::kPlainValue : NameKind::kPrompt;
}

void CheckConstraint(const v1::WorkflowParameter& parameter, const std::string& place,
                     ProblemList& problems) {
  const v1::WorkflowConstraint& constraint = parameter.constraint();
  const bool ranged = constraint.has_minimum() || constraint.has_maximum();
  if (ranged && !(parameter.has_value() && parameter.value().has_number_value())) {
    problems.Add(place + (constraint.has_minimum() ? ".minimum" : ".maximum"),
                 "is for parameters whose value is a number");
  } else if (constraint.has_minimum() && constraint.has_maximum() &&
             constraint.minimum() > constraint.maximum()) {
    problems.Add(place + ".minimum", "is more than the maximum");
  }
  if (constraint.choices_size() > kMaxChoices) problems.Add(place + ".choices", "at most 100");
  if (constraint.max_length() < 0 || constraint.max_length() > kMaxValueLength) {
    problems.Add(place + ".max_length", "give 1 to 65,536, or 0 for that");
  }
  if (!constraint.has_schema()) return;
  problems.Add(place + ".schema", JsonSchema::Compile(JsonOf(constraint.schema())).status());
}

void CheckRegistered(const v1::WorkflowParameter& parameter, const std::string& place,
                     const PromptSource* prompts, ProblemList& problems) {
  if (parameter.registered_prompt().empty()) return;
  if (parameter.kind_case() != v1::WorkflowParameter::kPrompt) {
    problems.Add(place + ".registered_prompt", "is for prompts");
  } else if (prompts != nullptr) {
    problems.Add(place + ".registered_prompt",
                 prompts->Compile(parameter.registered_prompt(), parameter.prompt()).status());
  }
}

void CheckParameter(const std::string& name, const v1::WorkflowParameter& parameter,
                    const std::string& place, const WorkflowServices& services,
                    ProblemList& problems) {
  CheckDescription(parameter.description(), place + ".description", problems);
  if (parameter.kind_case() == v1::WorkflowParameter::KIND_NOT_SET) {
    problems.Add(place, "give prompt, value or code");
    return;
  }
  if (parameter.has_code() && !v1::WorkflowCode::Language_IsValid(parameter.code().language())) {
    problems.Add(place + ".code.language", "give LANGUAGE_PYTHON or LANGUAGE_R");
  }
  CheckConstraint(parameter, place + ".constraint", problems);
  CheckRegistered(parameter, place, services.prompts, problems);
  const char* const part = parameter.has_code()    ? ".code.source"
                           : parameter.has_value() ? ".value"
                                                   : ".prompt";
  problems.Add(place + part, CheckValue(name, parameter, InitialValue(parameter)));
}

void AddParameters(const v1::Workflow& workflow, const WorkflowServices& services, SeenNames& seen,
                   ProblemList& problems) {
  if (workflow.parameters_size() > kMaxNames) problems.Add("parameters", "at most 64");
  for (const auto& [name, parameter] : Ordered(workflow.parameters())) {
    const std::string place = fmt::format("parameters[{}]", name);
    CheckName(name, place, seen, problems);
    CheckParameter(name, parameter, place, services, problems);
    seen[name] = {KindOf(parameter), VariableType::kAny};
  }
}

absl::Status WrongEntry(const std::string& prefix, const std::string& name, std::string_view what) {
  const std::string field = fmt::format("{}[{}]", prefix, name);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

}  // namespace

namespace internal {

void ProblemList::Add(std::string place, std::string_view what) {
  if (problems_.size() < kMaxProblems) problems_.push_back({std::move(place), std::string(what)});
}

void ProblemList::Add(std::string place, const absl::Status& status) {
  if (!status.ok()) Add(std::move(place), MessageOf(status));
}

}  // namespace internal

std::vector<WorkflowProblem> FindProblems(const v1::Workflow& workflow,
                                          const WorkflowServices& services) {
  ProblemList problems;
  SeenNames seen;
  CheckDescription(workflow.description(), "description", problems);
  AddInputs(workflow, seen, problems);
  AddParameters(workflow, services, seen, problems);
  internal::StepChecker steps(&workflow, &services, &problems);
  if (workflow.steps().empty()) problems.Add("steps", "say what is done");
  steps.CheckSteps(workflow.steps(), "steps", seen, 1);
  if (workflow.has_answer()) steps.CheckBinding(workflow.answer(), "answer", seen);
  if (workflow.outputs_size() > kMaxNames) problems.Add("outputs", "at most 64");
  steps.CheckBindings(workflow.outputs(), "outputs", seen);
  for (const auto& [name, parameter] : Ordered(workflow.parameters())) {
    if (!parameter.trainable() || steps.used().contains(name)) continue;
    problems.Add(fmt::format("parameters[{}].trainable", name),
                 "it is trainable, and no step uses it");
  }
  return problems.Take();
}

absl::Status CheckWorkflow(const v1::Workflow& workflow, const WorkflowServices& services,
                           const std::string& prefix) {
  const std::vector<WorkflowProblem> problems = FindProblems(workflow, services);
  if (problems.empty()) return absl::OkStatus();
  std::string lines;
  size_t told = 0;
  for (const WorkflowProblem& problem : problems) {
    const std::string line =
        Elide(fmt::format("{}.{}: {}", prefix, problem.place, problem.what), kMaxErrorText / 2);
    if (told > 0 && lines.size() + line.size() > kMaxErrorText) break;
    lines += (told++ > 0 ? "\n" : "") + line;
  }
  if (told < problems.size()) {
    lines += fmt::format("\nand {} more: validate_only tells all", problems.size() - told);
  }
  return Error(Reason::kInvalidField, lines,
               {{"field", fmt::format("{}.{}", prefix, problems[0].place)}});
}

absl::Status CheckInputs(const v1::Workflow& workflow, const Json& inputs,
                         const std::string& prefix) {
  for (const auto& [name, value] : inputs.items()) {
    const auto found = workflow.inputs().find(name);
    if (found == workflow.inputs().end()) {
      return WrongEntry(prefix, name, "the workflow has no such input");
    }
    if (!IsOfType(found->second, value)) {
      return WrongEntry(prefix, name, "is not of the input's type");
    }
  }
  for (const auto& [name, input] : Ordered(workflow.inputs())) {
    if (!input.has_default_() && !inputs.contains(name)) {
      return WrongEntry(prefix, name, "the workflow needs this input");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckValues(const v1::Workflow& workflow, const Json& values,
                         const std::string& prefix) {
  for (const auto& [name, value] : values.items()) {
    const auto found = workflow.parameters().find(name);
    if (found == workflow.parameters().end()) {
      return WrongEntry(prefix, name, "the workflow has no such parameter");
    }
    const absl::Status checked = CheckValue(name, found->second, value);
    if (!checked.ok()) return WrongEntry(prefix, name, MessageOf(checked));
  }
  return absl::OkStatus();
}

}  // namespace troupe
