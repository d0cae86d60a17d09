#include "agents/trace/propagate.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"

namespace troupe {

std::vector<NodeId> Propagation::LeadingTo(NodeId output) const {
  std::vector<bool> seen(static_cast<size_t>(output) + 1);
  std::vector<NodeId> reached = {output};
  seen[static_cast<size_t>(output)] = true;
  for (size_t next = 0; next < reached.size(); ++next) {
    for (const GraphInput& input : graph_.inputs(reached[next])) {
      if (seen[static_cast<size_t>(input.node)]) continue;
      seen[static_cast<size_t>(input.node)] = true;
      reached.push_back(input.node);
    }
  }
  // Ids are in topological order, so in this one what a node was made from comes before it.
  std::sort(reached.begin(), reached.end());
  return reached;
}

absl::Status Propagation::Backward(NodeId output, std::string feedback, bool retain) {
  if (output < 0 || output >= graph_.size()) {
    return Error(Reason::kInvalidField,
                 fmt::format("there is no node {} to give feedback on: the graph has {}", output,
                             graph_.size()),
                 {{"field", "output"}, {"output", std::to_string(output)}});
  }
  std::vector<NodeId> reached = LeadingTo(output);
  gone_through_.resize(static_cast<size_t>(graph_.size()));
  for (const NodeId id : reached) {
    if (!gone_through_[static_cast<size_t>(id)]) continue;
    const std::string& name = graph_.node(id).name;
    return Error(Reason::kInvalidField,
                 fmt::format("feedback on {} goes through {}, which feedback went through before: "
                             "retain the graph in the first call to allow it",
                             graph_.node(output).name, name),
                 {{"field", "output"}, {"output", graph_.node(output).name}, {"node", name}});
  }
  for (const NodeId id : reached) {
    if (!retain && !graph_.node(id).root()) gone_through_[static_cast<size_t>(id)] = true;
  }
  if (feedback.empty()) feedback = ErrorFeedback(graph_.node(output));
  passes_.push_back({{output, std::move(feedback)}, std::move(reached)});
  return absl::OkStatus();
}

Subgraph Propagation::SubgraphOf(NodeId parameter) const {
  return SubgraphOf(absl::Span<const NodeId>(&parameter, 1));
}

Subgraph Propagation::SubgraphOf(absl::Span<const NodeId> parameters) const {
  const auto size = static_cast<size_t>(graph_.size());
  std::vector<bool> wanted(size);
  for (const NodeId id : parameters) wanted[static_cast<size_t>(id)] = true;
  std::vector<bool> member(size);
  Subgraph subgraph;
  for (const Pass& pass : passes_) {
    // Whether a path from one of the parameters leads to the node.
    std::vector<bool> from_them(static_cast<size_t>(pass.feedback.output) + 1);
    for (const NodeId id : pass.reached) {
      bool from = false;
      for (const GraphInput& input : graph_.inputs(id)) {
        from = from || wanted[static_cast<size_t>(input.node)] ||
               from_them[static_cast<size_t>(input.node)];
      }
      for (const NodeId used : graph_.hidden_dependencies(id)) {
        from = from || wanted[static_cast<size_t>(used)];
      }
      if (!from) continue;
      from_them[static_cast<size_t>(id)] = true;
      member[static_cast<size_t>(id)] = true;
      for (const GraphInput& input : graph_.inputs(id)) {
        member[static_cast<size_t>(input.node)] = true;
      }
    }
    const auto output = static_cast<size_t>(pass.feedback.output);
    if (wanted[output]) member[output] = true;
    if (!wanted[output] && !from_them[output]) continue;
    const bool known = std::find(subgraph.feedback.begin(), subgraph.feedback.end(),
                                 pass.feedback) != subgraph.feedback.end();
    if (!known) subgraph.feedback.push_back(pass.feedback);
  }
  for (NodeId id = 0; id < graph_.size(); ++id) {
    if (member[static_cast<size_t>(id)]) subgraph.nodes.push_back(id);
  }
  std::stable_sort(subgraph.nodes.begin(), subgraph.nodes.end(), [this](NodeId left, NodeId right) {
    return graph_.node(left).level < graph_.node(right).level;
  });
  return subgraph;
}

}  // namespace troupe
