// Parameters of workflows: what they are and what they may become. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "tools/base/json.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

// What the document says: text for a prompt and for code.
Json InitialValue(const v1::WorkflowParameter& parameter);

// kInvalidField, in words that an optimizer can act on, for a value that the parameter `name` must
// not have: of another type, out of its constraint, code without its function.
absl::Status CheckValue(const std::string& name, const v1::WorkflowParameter& parameter,
                        const Json& value);

// What every value must be, in words for an optimizer: "a number from 0 to 1". "" if it may be any.
std::string ConstraintText(const std::string& name, const v1::WorkflowParameter& parameter);

// A JSON Schema of its values, as far as a schema can say it.
Json SchemaOf(const v1::WorkflowParameter& parameter);

// `value` with a number put into its range; everything else as it is.
Json PutIntoRange(const v1::WorkflowParameter& parameter, Json value);

// The workflow with these values in place of what its parameters say; those that it has not are
// left out.
v1::Workflow WithValues(v1::Workflow workflow, const Json& values);

}  // namespace troupe
