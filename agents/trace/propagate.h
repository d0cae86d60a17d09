// Propagation: feedback on outputs of a graph, carried back to the parameters. Nothing is computed
// of the feedback's text: what a parameter receives is the minimal subgraph, all nodes on its paths
// to the output together with the other direct inputs of these nodes, and the feedback word for
// word (the "minimal subgraph propagator" of arXiv 2406.16218, section 3.2). No model is asked.
//
// The paper's algorithm gives each node the union of its children's subgraphs, O(N²) and more. Here
// a parameter's subgraph is told by two marks a node, whether it leads to the output and whether
// the parameter leads to it: O(nodes + inputs) an output and no list that is copied.
//
// Refers to the graph, which may grow meanwhile. Not thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/types/span.h>

#include <string>
#include <vector>

#include "agents/trace/graph.h"

namespace troupe {

struct OutputFeedback {
  NodeId output = kNoNode;
  std::string feedback;
  friend bool operator==(const OutputFeedback&, const OutputFeedback&) = default;
};

// What parameters receive.
struct Subgraph {
  std::vector<NodeId> nodes;  // each once, by level, then by id
  // Of the outputs that they lead to, in the order in which it was given; a pair that was given
  // twice is there once.
  std::vector<OutputFeedback> feedback;

  bool empty() const { return nodes.empty(); }
};

class Propagation {
 public:
  explicit Propagation(const Graph& graph) : graph_(graph) {}

  // Carries feedback back from an output. May be called for several outputs before the subgraphs
  // are asked for. Where the output is an exception and the feedback empty, it is ErrorFeedback.
  //
  // Each node but roots is gone through once, as in automatic differentiation: kInvalidField, and
  // nothing is changed, if one was before, unless that call had `retain`. kInvalidField for a node
  // that is not in the graph.
  absl::Status Backward(NodeId output, std::string feedback, bool retain = false);

  // What one parameter received; empty if no feedback reached it.
  Subgraph SubgraphOf(NodeId parameter) const;
  // What several received together. A parameter that nothing reached adds nothing.
  Subgraph SubgraphOf(absl::Span<const NodeId> parameters) const;
  // What all of the graph's parameters received.
  Subgraph Whole() const { return SubgraphOf(graph_.parameters()); }

  // Forgets the feedback, as before the next step; which nodes were gone through is kept.
  void ZeroFeedback() { passes_.clear(); }

 private:
  struct Pass {
    OutputFeedback feedback;
    std::vector<NodeId> reached;  // the output and all that leads to it; ascending
  };
  std::vector<NodeId> LeadingTo(NodeId output) const;

  const Graph& graph_;
  std::vector<bool> gone_through_;
  std::vector<Pass> passes_;
};

}  // namespace troupe
