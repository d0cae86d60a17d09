// The interpreter's parts: what a list of steps sees, and how each kind of step is done.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/workflow/binding.h"
#include "agents/workflow/run_workflow.h"

namespace troupe::internal {

// A value with its place on the tape.
struct HeldValue {
  std::shared_ptr<const Json> value = std::make_shared<const Json>();
  ValueId id = 0;
};
using HeldValues = std::map<std::string, HeldValue>;

// What the steps of one list see, and where they record. A branch has one of its own.
struct Frame {
  HeldValues seen;
  WorkflowTape* tape = nullptr;
};

// Inputs of an operation.
using OperationInputs = std::vector<std::pair<std::string, ValueId>>;

class Interpreter {
 public:
  Interpreter(const v1::Workflow* workflow, const WorkflowServices* services)
      : workflow_(workflow), services_(services) {}

  using Steps = google::protobuf::RepeatedPtrField<v1::WorkflowStep>;
  using Bindings = google::protobuf::Map<std::string, google::protobuf::Value>;

  // The value of the last step. `frame` grows by the steps' values.
  Async<HeldValue> RunSteps(const Scope& scope, const Steps& steps, Frame& frame) const;

  // A binding's value; with references into values, or of several, as the operation "select".
  absl::StatusOr<HeldValue> Evaluate(const google::protobuf::Value& binding,
                                     const std::string& name, Frame& frame) const;

 private:
  Async<HeldValue> RunStep(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunAction(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunModel(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunTool(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunCode(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunTask(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunIf(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunFor(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunWhile(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;
  Async<HeldValue> RunMap(const Scope& scope, const v1::WorkflowStep& step, Frame& frame) const;

  // A branch of a map.
  Async<HeldValue> RunItem(Scope scope, const v1::WorkflowMapStep* step, Frame* frame) const;
  // One round of a loop: what its last step made. `carried` becomes what the next round begins
  // with.
  Async<HeldValue> RunRound(const Scope& scope, const Steps& steps, const Bindings& next,
                            Frame inside, HeldValues* carried) const;

  const v1::Workflow* const workflow_;
  const WorkflowServices* const services_;
};

// Puts what an operation made on the tape.
absl::StatusOr<HeldValue> Record(Frame& frame, const v1::WorkflowStep& step, std::string operation,
                                 OperationInputs inputs, Json value);

// Records that an operation failed, if that is the operation's failure and not the task's; returns
// `failure`, which then names the step.
absl::Status RecordFailure(Frame& frame, const v1::WorkflowStep& step, std::string operation,
                           OperationInputs inputs, absl::Status failure);

// What a template says of the names that `frame` sees, with `variables` over them; `inputs` grows
// by what it uses.
absl::StatusOr<std::string> FillTemplate(const std::string& text, const Frame& frame,
                                         const HeldValues& variables, OperationInputs& inputs);

// The values of references in order, as inputs of an operation.
OperationInputs InputsOf(const std::vector<Reference>& references, const Frame& frame);

}  // namespace troupe::internal
