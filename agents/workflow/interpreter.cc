#include "agents/workflow/interpreter.h"

#include <fmt/format.h>

#include "agents/prompts/prompt_template.h"
#include "agents/runtime/task_result.h"
#include "agents/workflow/parameter.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace internal {
namespace {

ValueNamedFn NamedIn(const HeldValues& seen) {
  return [&seen](const std::string& name) -> const Json* {
    const auto found = seen.find(name);
    return found == seen.end() ? nullptr : found->second.value.get();
  };
}

std::string DescriptionOf(const v1::WorkflowStep& step, const std::string& operation) {
  return step.description().empty() ? fmt::format("[{}]", operation)
                                    : fmt::format("[{}] {}", operation, step.description());
}

absl::Status AddLeaf(Frame& frame, TapeEntry::Kind kind, const std::string& name,
                     std::string description, Json value) {
  HeldValue held;
  held.value = std::make_shared<const Json>(std::move(value));
  TapeEntry entry{kind, name, "", std::move(description), {}, held.value};
  RETURN_IF_ERROR(frame.tape->Add(std::move(entry), held.id));
  frame.seen[name] = std::move(held);
  return absl::OkStatus();
}

// Inputs and parameters, in the order of their names.
absl::Status AddLeaves(const v1::Workflow& workflow, const WorkflowInputs& given, Frame& frame) {
  const std::map<std::string, v1::WorkflowInput> inputs(workflow.inputs().begin(),
                                                        workflow.inputs().end());
  for (const auto& [name, input] : inputs) {
    const auto found = given.inputs.find(name);
    Json value = found != given.inputs.end() ? *found : JsonOf(input.default_());
    RETURN_IF_ERROR(
        AddLeaf(frame, TapeEntry::Kind::kInput, name, input.description(), std::move(value)));
  }
  const std::map<std::string, v1::WorkflowParameter> parameters(workflow.parameters().begin(),
                                                                workflow.parameters().end());
  for (const auto& [name, parameter] : parameters) {
    const auto found = given.values.find(name);
    Json value = found != given.values.end() ? *found : InitialValue(parameter);
    RETURN_IF_ERROR(AddLeaf(frame, TapeEntry::Kind::kParameter, name, parameter.description(),
                            std::move(value)));
  }
  return absl::OkStatus();
}

}  // namespace

OperationInputs InputsOf(const std::vector<Reference>& references, const Frame& frame) {
  OperationInputs inputs;
  for (const Reference& reference : references) {
    const auto found = frame.seen.find(reference.name);
    if (found != frame.seen.end()) inputs.emplace_back(reference.name, found->second.id);
  }
  return inputs;
}

absl::StatusOr<HeldValue> Record(Frame& frame, const v1::WorkflowStep& step, std::string operation,
                                 OperationInputs inputs, Json value) {
  HeldValue held;
  held.value = std::make_shared<const Json>(std::move(value));
  std::string description = DescriptionOf(step, operation);
  TapeEntry entry{TapeEntry::Kind::kOperation, step.name(),       std::move(operation),
                  std::move(description),      std::move(inputs), held.value};
  RETURN_IF_ERROR(frame.tape->Add(std::move(entry), held.id));
  return held;
}

absl::Status RecordFailure(Frame& frame, const v1::WorkflowStep& step, std::string operation,
                           OperationInputs inputs, absl::Status failure) {
  if (!IsFailureOfRun(failure) || frame.tape->failed != 0) return failure;
  std::string description = DescriptionOf(step, operation);
  TapeEntry entry{
      TapeEntry::Kind::kError, step.name(),
      std::move(operation),    std::move(description),
      std::move(inputs),       std::make_shared<const Json>(ErrorValue(step.name(), failure))};
  RETURN_IF_ERROR(frame.tape->Add(std::move(entry), frame.tape->failed));
  return Annotate(failure, fmt::format("step {}", step.name()));
}

absl::StatusOr<HeldValue> Interpreter::Evaluate(const google::protobuf::Value& binding,
                                                const std::string& name, Frame& frame) const {
  const Json given = JsonOf(binding);
  ASSIGN_OR_RETURN(const std::vector<Reference> references, ReferencesIn(given));
  if (references.size() == 1 && given.is_string() && references[0].path.empty()) {
    const auto found = frame.seen.find(references[0].name);
    if (found != frame.seen.end()) return found->second;
  }
  v1::WorkflowStep select;
  select.set_name(name);
  select.set_description(given.is_string() ? given.get<std::string>() : DumpJson(given));
  auto value = Bind(given, NamedIn(frame.seen));
  OperationInputs inputs = InputsOf(references, frame);
  if (!value.ok()) return RecordFailure(frame, select, "select", std::move(inputs), value.status());
  if (references.empty()) {
    HeldValue literal;
    literal.value = std::make_shared<const Json>(*std::move(value));
    return literal;
  }
  return Record(frame, select, "select", std::move(inputs), *std::move(value));
}

absl::StatusOr<std::string> FillTemplate(const std::string& text, const Frame& frame,
                                         const HeldValues& variables, OperationInputs& inputs) {
  DeclaredVariables declared;
  for (const auto& [name, held] : frame.seen) declared[name] = {};
  for (const auto& [name, held] : variables) declared[name] = {};
  ASSIGN_OR_RETURN(const PromptTemplate compiled, PromptTemplate::Parse(text, declared));
  Json values = Json::object();
  for (const std::string& name : compiled.used()) {
    const auto own = variables.find(name);
    const HeldValue& held = own != variables.end() ? own->second : frame.seen.at(name);
    values[name] = *held.value;
    inputs.emplace_back(name, held.id);
  }
  ASSIGN_OR_RETURN(std::string filled, compiled.Render(values));
  while (filled.ends_with('\n')) filled.pop_back();
  return filled;
}

Async<HeldValue> Interpreter::RunSteps(const Scope& scope, const Steps& steps, Frame& frame) const {
  HeldValue last;
  for (const v1::WorkflowStep& step : steps) {
    CO_RETURN_IF_ERROR(scope.cancelled());
    CO_ASSIGN_OR_RETURN(last, co_await RunStep(scope, step, frame));
    frame.seen[step.name()] = last;
  }
  co_return last;
}

Async<HeldValue> Interpreter::RunStep(const Scope& scope, const v1::WorkflowStep& step,
                                      Frame& frame) const {
  Scope span = scope.Open("step", step.name(),
                          step.description().empty() ? step.name() : step.description());
  auto value = co_await RunAction(span, step, frame);
  absl::Status failure = value.status();
  if (!failure.ok() && IsFailureOfRun(failure)) {
    failure = RecordFailure(frame, step, "step", {}, failure);
    if (step.keep_error() && frame.tape->failed != 0) {
      span.Note("kept_error", std::string(MessageOf(failure)));
      const ValueId kept = std::exchange(frame.tape->failed, 0);
      HeldValue error;
      error.id = kept;
      error.value = frame.tape->ValueOf(kept);
      span.End();
      co_return error;
    }
  }
  span.End(failure);
  CO_RETURN_IF_ERROR(failure);
  co_return *std::move(value);
}

Async<HeldValue> Interpreter::RunAction(const Scope& scope, const v1::WorkflowStep& step,
                                        Frame& frame) const {
  switch (step.action_case()) {
    case v1::WorkflowStep::kSet:
      co_return Evaluate(step.set(), step.name(), frame);
    case v1::WorkflowStep::kModel:
      co_return co_await RunModel(scope, step, frame);
    case v1::WorkflowStep::kTool:
      co_return co_await RunTool(scope, step, frame);
    case v1::WorkflowStep::kCode:
      co_return co_await RunCode(scope, step, frame);
    case v1::WorkflowStep::kTask:
      co_return co_await RunTask(scope, step, frame);
    case v1::WorkflowStep::kIf:
      co_return co_await RunIf(scope, step, frame);
    case v1::WorkflowStep::kFor:
      co_return co_await RunFor(scope, step, frame);
    case v1::WorkflowStep::kWhile:
      co_return co_await RunWhile(scope, step, frame);
    case v1::WorkflowStep::kMap:
      co_return co_await RunMap(scope, step, frame);
    case v1::WorkflowStep::ACTION_NOT_SET:
      break;
  }
  co_return Error(Reason::kInternal, fmt::format("step {} says not what it does", step.name()));
}

}  // namespace internal

std::string AnswerText(const Json& answer) {
  return answer.is_string() ? answer.get<std::string>() : DumpJson(answer);
}

Async<WorkflowOutcome> RunWorkflow(const Scope& scope, const v1::Workflow& workflow,
                                   const WorkflowInputs& inputs, const WorkflowServices& services) {
  const internal::Interpreter interpreter(&workflow, &services);
  WorkflowOutcome outcome;
  internal::Frame frame;
  frame.tape = &outcome.tape;
  CO_RETURN_IF_ERROR(internal::AddLeaves(workflow, inputs, frame));
  auto last = co_await interpreter.RunSteps(scope, workflow.steps(), frame);
  if (last.ok() && workflow.has_answer()) {
    last = interpreter.Evaluate(workflow.answer(), "answer", frame);
  }
  const std::map<std::string, google::protobuf::Value> outputs(workflow.outputs().begin(),
                                                               workflow.outputs().end());
  for (const auto& [name, binding] : outputs) {
    if (!last.ok()) break;
    auto output = interpreter.Evaluate(binding, name, frame);
    if (output.ok()) {
      outcome.outputs[name] = *output->value;
    } else {
      last = output.status();
    }
  }
  if (last.ok()) {
    outcome.answer = *last->value;
    outcome.answer_id = last->id;
    co_return outcome;
  }
  if (!IsFailureOfRun(last.status())) co_return last.status();
  outcome.failure = last.status();
  outcome.answer_id = outcome.tape.failed;
  outcome.outputs.clear();
  co_return outcome;
}

}  // namespace troupe
