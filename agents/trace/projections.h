// Projections: what a new value is made to keep to before it is accepted: a number clipped to a
// range, a value held against a schema, a text or a list of a certain length, code laid out by a
// formatter.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/runtime/scope.h"
#include "agents/trace/graph_value.h"
#include "tools/base/async.h"
#include "tools/json_schema.h"

namespace troupe {

struct Projection {
  std::string
      parameter;  // name of the node, or a pattern in which * stands for any letters and ? for one
  // Numbers outside are set to the nearer end.
  std::optional<double> least, most;
  // Values that are not valid by it are refused.
  std::shared_ptr<const JsonSchema> schema;
  // Texts (in bytes) and lists (in elements) that are longer are refused.
  std::optional<int64_t> max_length;
  // A program and its arguments, run in the sandbox: it reads the text and writes it as it is to
  // be. Where it fails, what it says is why the text is refused.
  std::vector<std::string> formatter;
};

// What comes of a new value.
struct Projected {
  GraphValue value;
  std::string refused;  // why it is, in words for the model; empty: it is not
};

// Applies those that the parameter's name fits, in order. Effects are named `name` and what is
// below.
Async<Projected> Project(const Scope& scope, std::string name,
                         const std::vector<Projection>& projections, std::string parameter,
                         GraphValue value);

}  // namespace troupe
