// Conditions of workflows. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "agents/workflow/binding.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

// Whether it is there: not null, false, "", 0, [] or {}.
bool IsSet(const Json& value);

// What a test compares with; null: the test has no binding for it.
const google::protobuf::Value* OperandOf(const v1::WorkflowCondition& condition);

// The bindings of a condition, at any depth.
std::vector<Json> BindingsOf(const v1::WorkflowCondition& condition);

// kInvalidField for values that cannot be compared so.
absl::StatusOr<bool> Holds(const v1::WorkflowCondition& condition, const ValueNamedFn& value_named);

}  // namespace troupe
