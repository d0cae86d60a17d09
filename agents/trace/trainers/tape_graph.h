// Tapes of workflows as a graph that feedback goes back through. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agents/trace/graph.h"
#include "agents/workflow/tape.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

// Runs of one workflow with the same values in one graph, in which they share the parameters.
class TapeGraph {
 public:
  explicit TapeGraph(const v1::Workflow* workflow) : workflow_(workflow) {}

  // Adds what the tape recorded; the node of the value `output`.
  NodeId Add(const WorkflowTape& tape, ValueId output);

  const Graph& graph() const { return graph_; }
  // The trainable parameters by name. Only once a tape was added.
  const std::map<std::string, NodeId>& parameters() const { return trainable_; }

 private:
  NodeId AddParameter(const TapeEntry& entry);
  // Adds what a step says of itself to what is said of its operator.
  void Describe(const TapeEntry& entry);
  NodeId AddOperation(const WorkflowTape& tape, const TapeEntry& entry,
                      const std::vector<NodeId>& nodes);
  GraphError ErrorOf(const WorkflowTape& tape, const TapeEntry& entry) const;

  const v1::Workflow* const workflow_;
  Graph graph_;
  std::set<std::pair<std::string, std::string>> described_;  // operator and step
  std::map<std::string, NodeId> shared_;                     // all parameters
  std::map<std::string, NodeId> trainable_;
};

GraphValue GraphValueOf(const Json& value);

// The value of a parameter that the graph has as `value`.
Json ParameterValueOf(const GraphValue& value);

}  // namespace troupe
