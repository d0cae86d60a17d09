// The steps that have steps inside: if, for, while, map.
#include <fmt/format.h>

#include "agents/runtime/branches.h"
#include "agents/runtime/task_result.h"
#include "agents/workflow/condition.h"
#include "agents/workflow/interpreter.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe::internal {
namespace {

constexpr size_t kMaxItems = 10'000;
constexpr size_t kDefaultParallel = 8;

// Whether a condition holds, as the operation "condition".
absl::StatusOr<HeldValue> Decide(const v1::WorkflowStep& step,
                                 const v1::WorkflowCondition& condition, Frame& frame) {
  OperationInputs inputs;
  for (const Json& binding : BindingsOf(condition)) {
    ASSIGN_OR_RETURN(const std::vector<Reference> references, ReferencesIn(binding));
    for (auto& input : InputsOf(references, frame)) inputs.push_back(std::move(input));
  }
  const auto named = [&](const std::string& name) -> const Json* {
    const auto found = frame.seen.find(name);
    return found == frame.seen.end() ? nullptr : found->second.value.get();
  };
  const auto holds = Holds(condition, named);
  if (!holds.ok()) return RecordFailure(frame, step, "condition", inputs, holds.status());
  return Record(frame, step, "condition", std::move(inputs), *holds);
}

absl::StatusOr<HeldValue> ListOf(const Interpreter& interpreter,
                                 const google::protobuf::Value& each, const v1::WorkflowStep& step,
                                 Frame& frame) {
  ASSIGN_OR_RETURN(HeldValue list, interpreter.Evaluate(each, step.name() + "_list", frame));
  if (list.value->is_array() && list.value->size() <= kMaxItems) return list;
  const absl::Status wrong =
      Error(Reason::kInvalidField,
            list.value->is_array() ? "the list has over 10,000 elements" : "each is no list");
  return RecordFailure(frame, step, "list", {{"each", list.id}}, wrong);
}

// An element of a list, as the operation "element".
absl::StatusOr<HeldValue> ElementOf(const HeldValue& list, size_t index, const std::string& name,
                                    Frame& frame) {
  v1::WorkflowStep element;
  element.set_name(name);
  element.set_description(fmt::format("element {} of the list", index));
  return Record(frame, element, "element", {{"list", list.id}}, (*list.value)[index]);
}

absl::StatusOr<HeldValues> EvaluateAll(const Interpreter& interpreter,
                                       const Interpreter::Bindings& bindings, Frame& frame) {
  const std::map<std::string, google::protobuf::Value> ordered(bindings.begin(), bindings.end());
  HeldValues values;
  for (const auto& [name, binding] : ordered) {
    ASSIGN_OR_RETURN(values[name], interpreter.Evaluate(binding, name, frame));
  }
  return values;
}

// What a loop with carried variables comes to.
absl::StatusOr<HeldValue> RecordCarried(Frame& frame, const v1::WorkflowStep& step,
                                        std::string operation, const HeldValues& carried) {
  OperationInputs inputs;
  Json value = Json::object();
  for (const auto& [name, held] : carried) {
    inputs.emplace_back(name, held.id);
    value[name] = *held.value;
  }
  return Record(frame, step, std::move(operation), std::move(inputs), std::move(value));
}

absl::StatusOr<HeldValue> RecordList(Frame& frame, const v1::WorkflowStep& step,
                                     std::string operation, const std::vector<HeldValue>& values) {
  OperationInputs inputs;
  Json list = Json::array();
  for (const HeldValue& held : values) {
    inputs.emplace_back(fmt::format("item_{}", list.size() + 1), held.id);
    list.push_back(*held.value);
  }
  return Record(frame, step, std::move(operation), std::move(inputs), std::move(list));
}

}  // namespace

Async<HeldValue> Interpreter::RunIf(const Scope& scope, const v1::WorkflowStep& step,
                                    Frame& frame) const {
  CO_ASSIGN_OR_RETURN(const HeldValue decided, Decide(step, step.if_().condition(), frame));
  const bool holds = decided.value->get<bool>();
  Frame inside = frame;
  const Steps& taken = holds ? step.if_().then() : step.if_().else_();
  CO_ASSIGN_OR_RETURN(const HeldValue value, co_await RunSteps(scope, taken, inside));
  OperationInputs inputs = {{"condition", decided.id}, {"value", value.id}};
  co_return Record(frame, step, "if", std::move(inputs), *value.value);
}

Async<HeldValue> Interpreter::RunRound(const Scope& scope, const Steps& steps, const Bindings& next,
                                       Frame inside, HeldValues* carried) const {
  for (const auto& [name, held] : *carried) inside.seen[name] = held;
  CO_ASSIGN_OR_RETURN(HeldValue value, co_await RunSteps(scope, steps, inside));
  CO_ASSIGN_OR_RETURN(const HeldValues changed, EvaluateAll(*this, next, inside));
  for (const auto& [name, held] : changed) (*carried)[name] = held;
  co_return value;
}

Async<HeldValue> Interpreter::RunFor(const Scope& scope, const v1::WorkflowStep& step,
                                     Frame& frame) const {
  const v1::WorkflowForStep& loop = step.for_();
  CO_ASSIGN_OR_RETURN(const HeldValue list, ListOf(*this, loop.each(), step, frame));
  CO_ASSIGN_OR_RETURN(HeldValues carried, EvaluateAll(*this, loop.carry(), frame));
  std::vector<HeldValue> values;
  for (size_t i = 0; i < list.value->size(); ++i) {
    Scope round = scope.Open("round", fmt::format("round:{}", i + 1), "");
    Frame inside = frame;
    CO_ASSIGN_OR_RETURN(inside.seen[loop.as()], ElementOf(list, i, loop.as(), frame));
    auto value = co_await RunRound(round, loop.steps(), loop.next(), std::move(inside), &carried);
    round.End(value.status());
    CO_RETURN_IF_ERROR(value.status());
    values.push_back(*std::move(value));
  }
  co_return loop.carry().empty() ? RecordList(frame, step, "for", values)
                                 : RecordCarried(frame, step, "for", carried);
}

Async<HeldValue> Interpreter::RunWhile(const Scope& scope, const v1::WorkflowStep& step,
                                       Frame& frame) const {
  const v1::WorkflowWhileStep& loop = step.while_();
  CO_ASSIGN_OR_RETURN(HeldValues carried, EvaluateAll(*this, loop.carry(), frame));
  for (int i = 1; i <= loop.max_rounds(); ++i) {
    Frame inside = frame;
    for (const auto& [name, held] : carried) inside.seen[name] = held;
    CO_ASSIGN_OR_RETURN(const HeldValue decided, Decide(step, loop.condition(), inside));
    if (!decided.value->get<bool>()) break;
    Scope round = scope.Open("round", fmt::format("round:{}", i), "");
    auto value = co_await RunRound(round, loop.steps(), loop.next(), std::move(inside), &carried);
    round.End(value.status());
    CO_RETURN_IF_ERROR(value.status());
  }
  co_return RecordCarried(frame, step, "while", carried);
}

Async<HeldValue> Interpreter::RunItem(Scope scope, const v1::WorkflowMapStep* step,
                                      Frame* frame) const {
  auto value = co_await RunSteps(scope, step->steps(), *frame);
  scope.End(value.status());
  co_return value;
}

Async<HeldValue> Interpreter::RunMap(const Scope& scope, const v1::WorkflowStep& step,
                                     Frame& frame) const {
  const v1::WorkflowMapStep& loop = step.map();
  CO_ASSIGN_OR_RETURN(const HeldValue list, ListOf(*this, loop.each(), step, frame));
  const size_t size = list.value->size();
  std::vector<HeldValue> elements(size);
  for (size_t i = 0; i < size; ++i) {
    CO_ASSIGN_OR_RETURN(elements[i], ElementOf(list, i, loop.as(), frame));
  }
  // Each branch records for itself: in which order they end is another in every run.
  std::vector<WorkflowTape> tapes(size, frame.tape->Branch());
  std::vector<Frame> frames(size, frame);
  std::vector<NamedBranch<HeldValue>> branches;
  branches.reserve(size);
  for (size_t i = 0; i < size; ++i) {
    frames[i].tape = &tapes[i];
    frames[i].seen[loop.as()] = elements[i];
    Frame* const own = &frames[i];
    const auto run = [this, &loop, own](Scope item) {
      return RunItem(std::move(item), &loop, own);
    };
    branches.push_back({"item", fmt::format("item:{}", i + 1), "", run});
  }
  const size_t parallel =
      loop.max_parallel() > 0 ? static_cast<size_t>(loop.max_parallel()) : kDefaultParallel;
  auto results = co_await All(scope, std::move(branches), parallel);
  absl::Status failure;
  std::vector<HeldValue> values;
  for (size_t i = 0; i < size; ++i) {
    HeldValue value;
    if (results[i].ok()) value = *results[i];
    CO_RETURN_IF_ERROR(frame.tape->Append(tapes[i], value.id));
    if (!results[i].ok() && !IsFailureOfRun(results[i].status())) co_return results[i].status();
    if (failure.ok()) failure = results[i].status();
    values.push_back(std::move(value));
  }
  CO_RETURN_IF_ERROR(failure);
  co_return RecordList(frame, step, "map", values);
}

}  // namespace troupe::internal
