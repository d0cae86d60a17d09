// Graphs as messages. Stateless functions.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string_view>

#include "agents/trace/graph.h"

namespace troupe::v1 {
class Graph;
class GraphValue;
}  // namespace troupe::v1

namespace troupe {

inline constexpr int kMaxGraphNodes = 50'000;
inline constexpr int kMaxGraphEdges = 400'000;
inline constexpr int kMaxGraphOperators = 5'000;
inline constexpr size_t kMaxGraphBytes = 3 << 20;
inline constexpr size_t kMaxGraphConstraintBytes = 16 << 10;

// Checks all that graph.proto asks for; kInvalidField, whose metadata's "field" is `field` and what
// is in it ("graph.nodes[3].inputs[0].node").
absl::StatusOr<Graph> GraphFromMessage(const v1::Graph& message, std::string_view field);
v1::Graph GraphMessage(const Graph& graph);

// Fails only for `json` that is no list or object.
absl::StatusOr<GraphValue> ValueFromMessage(const v1::GraphValue& message, std::string_view field);
// `type` is left out where it is what the kind says.
v1::GraphValue ValueMessage(const GraphValue& value, std::string_view type = "");

}  // namespace troupe
