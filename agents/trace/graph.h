// Graph: what a program did, as nodes in topological order (Trace, arXiv 2406.16218, section 3). A
// node is known by its id, its place in the graph. The graph only grows, so whoever refers to a
// node may keep the id. One graph a run or a batch of runs; nothing is global. Not thread-safe.
//
//   Graph graph;
//   const NodeId x = graph.AddParameter("x", int64_t{-1}, {.constraint = "x > 0"});
//   const NodeId b = graph.AddValue("b", int64_t{1});
//   graph.DescribeOperator("add", "The sum of x and y.");
//   const NodeId y = graph.AddOperation("add", {{"x", x}, {"y", b}}, int64_t{0});
//
// The Add functions expect ids that are in the graph, as those they returned are; what comes from
// outside is checked by GraphFromMessage (graph_message.h).
#pragma once

#include <absl/types/span.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agents/trace/graph_value.h"

namespace troupe {

using NodeId = int32_t;
inline constexpr NodeId kNoNode = -1;

// How an operator failed.
struct GraphError {
  std::string type;
  std::string message;
  std::string source;  // of the function that failed; may be empty
  int32_t line = 0;    // of the source, from 1; 0: not known
};

struct GraphInput {
  std::string_view name;  // of the operator's argument
  NodeId node = kNoNode;
};

// What else there is to say of a node; all of it optional.
struct NodeOptions {
  std::string name;         // "base" or "base:index", of an operation's result
  std::string constraint;   // what a new value must keep to
  std::string type;         // what the program's language calls the value's type
  std::string description;  // what the operator did here, if not what it always does
  std::vector<NodeId> hidden_dependencies;  // trainable nodes used that are not among the inputs
};

class Graph {
 public:
  Graph() = default;
  // Not copied: names are kept once and referred to.
  Graph(Graph&&) noexcept = default;
  Graph& operator=(Graph&&) noexcept = default;

  struct Node {
    GraphValue value;
    std::string name;        // "base:index", unique
    std::string identifier;  // the name as one word, unique: what optimizers call it
    std::string type;        // what its type is called
    std::string constraint;
    std::string description;     // its own, with brackets; else empty
    std::string_view operation;  // name of the operator; empty: none. Into the graph.
    int32_t level = 0;           // 0 of roots, else one more than the highest that led to it
    bool trainable = false;
    std::optional<GraphError> error;

    // Whether nothing led to it.
    bool root() const { return inputs == 0 && hidden == 0; }

   private:
    friend class Graph;
    uint32_t first_input = 0, inputs = 0;
    uint32_t first_hidden = 0, hidden = 0;
  };

  // An input of the program. `name` is "base" or "base:index"; empty: the type's name.
  NodeId AddValue(std::string_view name, GraphValue value, NodeOptions options = {});
  // A value that an optimizer may change.
  NodeId AddParameter(std::string_view name, GraphValue value, NodeOptions options = {});
  // What `operation` made of its inputs.
  NodeId AddOperation(std::string_view operation, absl::Span<const GraphInput> inputs,
                      GraphValue value, NodeOptions options = {});
  // An operation that failed: its value is "(type) message".
  NodeId AddException(std::string_view operation, absl::Span<const GraphInput> inputs,
                      GraphError error, NodeOptions options = {});
  // What an operator does; "[name] " is put before a text that does not begin so. Replaces.
  void DescribeOperator(std::string_view operation, std::string_view description);

  NodeId size() const { return static_cast<NodeId>(nodes_.size()); }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  absl::Span<const GraphInput> inputs(NodeId id) const;
  absl::Span<const NodeId> hidden_dependencies(NodeId id) const;
  // What made this node, in words that begin with a name in brackets; empty for a root, and where
  // nothing was said.
  std::string_view Documentation(NodeId id) const;
  // What was said of operators, by their names.
  const std::map<std::string_view, std::string>& operators() const { return operators_; }
  // The trainable nodes, in order.
  const std::vector<NodeId>& parameters() const { return parameters_; }
  // kNoNode if there is none of that name ("base:index").
  NodeId Find(std::string_view name) const;

  // Gives a parameter another value, as after an optimizer's step. Its type's name goes with it.
  void SetValue(NodeId parameter, GraphValue value);

 private:
  NodeId Add(std::string_view name, GraphValue value, NodeOptions options);
  void NameNode(Node& node, std::string_view name);
  std::string_view Keep(std::string_view text);

  std::vector<Node> nodes_;
  std::vector<GraphInput> inputs_;
  std::vector<NodeId> hidden_;
  std::vector<NodeId> parameters_;
  std::unordered_set<std::string> kept_;  // names of operators and arguments, once each
  std::map<std::string_view, std::string> operators_;    // to their descriptions
  std::unordered_map<std::string, int32_t> next_index_;  // of a base
  std::unordered_map<std::string, NodeId> by_name_;
  std::unordered_set<std::string> identifiers_;
};

// What an exception says for whoever mends it: its source with the line that failed marked, if that
// is known, and "(type) message". Empty for any other node.
std::string ErrorFeedback(const Graph::Node& node);

}  // namespace troupe
