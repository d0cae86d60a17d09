// New values of parameters: the schema that a model's reply must be valid by, derived from what the
// parameters are now, and what is made of its suggestions. A suggestion is never cast: "False" is
// not false, a list is a list, code is parsed before it is taken.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "agents/runtime/scope.h"
#include "agents/trace/code_checker.h"
#include "agents/trace/problem.h"
#include "agents/trace/projections.h"
#include "tools/base/async.h"

namespace troupe {

// What suggestions are held against. Refers to what outlives it.
struct ValueRules {
  const CodeChecker* checker = nullptr;  // null: code is taken as it is
  std::vector<Projection> projections;
};

struct Change {
  NodeId node = kNoNode;
  std::string name;  // the node's identifier
  GraphValue value;
};

// A suggestion that was not taken.
struct Refusal {
  std::string name;
  std::string suggested;  // as text, shortened
  std::string why;        // in words for the model
};

struct ReadValues {
  std::vector<Change> changes;  // values that are not what they were
  std::vector<Refusal> refused;
};

// An object with a member for each variable: a value of its type, or null, which leaves it as it
// is. All are required, since some servers take no other schema.
Json SuggestionSchema(const Problem& problem);

// Whether `suggested` is of the type that `current` is of; kInvalidField, in words for the model.
absl::StatusOr<GraphValue> TypedValue(const GraphValue& current, const Json& suggested);

// Reads an object of suggestions by the variables' names; null and what is missing leave a variable
// as it is. Effects are named `name` and what is below. `problem` and `rules` outlive it.
Async<ReadValues> ReadSuggestions(const Scope& scope, std::string name, const Problem& problem,
                                  Json suggestions, const ValueRules& rules);

// What a reply that does not fit the schema says of the variables (kModelBadReply of
// Scope::ChatJson): a refusal for each suggestion that is of a wrong type, or one without a name
// for the whole reply.
std::vector<Refusal> RefusedReply(const Problem& problem, const absl::Status& status);

// "x0: it is text and must be a number" ..., a line each.
std::string RefusalText(const std::vector<Refusal>& refused);

}  // namespace troupe
