#include "agents/trace/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace troupe {
namespace {

class ProblemMaker {
 public:
  ProblemMaker(const Graph& graph, const Subgraph& subgraph) : graph_(graph), subgraph_(subgraph) {
    for (const NodeId id : subgraph.nodes) members_.insert(id);
    MeasureDistances();
  }

  Problem Make(const ProblemOptions& options) {
    problem_.graph = &graph_;
    problem_.instruction = options.objective.empty() ? kDefaultObjective : options.objective;
    problem_.output_feedback = subgraph_.feedback;
    problem_.feedback = FeedbackText();
    int32_t depth = 0;
    for (const NodeId id : subgraph_.nodes) depth = std::max(depth, graph_.node(id).level);
    for (const NodeId id : subgraph_.nodes) {
      if (!IsMade(id)) {
        (graph_.node(id).trainable ? problem_.variables : problem_.inputs).push_back(ValueOf(id));
      } else {
        AddLine(id);
        const bool last = graph_.node(id).level == depth || GotFeedback(id);
        (last ? problem_.outputs : problem_.others).push_back(ValueOf(id));
      }
    }
    if (options.show_hidden) AddHidden();
    std::stable_sort(problem_.code.begin(), problem_.code.end(),
                     [](const CodeLine& left, const CodeLine& right) {
                       return std::tie(left.level, left.text) < std::tie(right.level, right.text);
                     });
    return std::move(problem_);
  }

 private:
  static constexpr int32_t kFar = std::numeric_limits<int32_t>::max();

  // From the outputs back: what was made from a node comes after it.
  void MeasureDistances() {
    for (const OutputFeedback& each : subgraph_.feedback) distances_[each.output] = 0;
    for (auto id = subgraph_.nodes.rbegin(); id != subgraph_.nodes.rend(); ++id) {
      const auto known = distances_.find(*id);
      if (known == distances_.end()) continue;
      const int32_t next = known->second + 1;
      const auto reach = [&](NodeId node) {
        const auto [place, added] = distances_.emplace(node, next);
        place->second = std::min(place->second, next);
      };
      for (const GraphInput& input : graph_.inputs(*id)) reach(input.node);
      for (const NodeId used : graph_.hidden_dependencies(*id)) reach(used);
    }
  }

  int32_t DistanceOf(NodeId id) const {
    const auto known = distances_.find(id);
    return known == distances_.end() ? kFar : known->second;
  }

  bool GotFeedback(NodeId id) const {
    return std::any_of(subgraph_.feedback.begin(), subgraph_.feedback.end(),
                       [id](const OutputFeedback& each) { return each.output == id; });
  }

  // Whether the subgraph shows what it was made from. Of other inputs of a path it does not: they
  // are as given, though the program made them.
  bool IsMade(NodeId id) const {
    if (graph_.node(id).root()) return false;
    for (const GraphInput& input : graph_.inputs(id)) {
      if (!members_.contains(input.node)) return false;
    }
    return true;
  }

  ProblemValue ValueOf(NodeId id) const {
    const Graph::Node& node = graph_.node(id);
    return {id, node.identifier, node.type, node.value, node.constraint, DistanceOf(id)};
  }

  void AddLine(NodeId id) {
    const Graph::Node& node = graph_.node(id);
    std::string arguments;
    for (const GraphInput& input : graph_.inputs(id)) {
      if (!arguments.empty()) arguments += ", ";
      arguments += fmt::format("{}={}", input.name, graph_.node(input.node).identifier);
    }
    problem_.code.push_back(
        {id, node.level,
         fmt::format("{} = {}({})", node.identifier, std::string(node.operation), arguments),
         DistanceOf(id)});
    const std::string operation(node.operation);
    const auto [place, added] = operators_.emplace(operation, problem_.documentation.size());
    if (added) problem_.documentation.push_back({operation, ""});
    // What is said of the last of its nodes stands for all.
    problem_.documentation[place->second].text = graph_.Documentation(id);
  }

  void AddHidden() {
    std::set<NodeId> added;
    for (const CodeLine& line : problem_.code) {
      for (const NodeId used : graph_.hidden_dependencies(line.node)) {
        if (!members_.contains(used)) added.insert(used);
      }
    }
    for (const NodeId id : added) problem_.variables.push_back(ValueOf(id));
  }

  std::string FeedbackText() const {
    const std::vector<OutputFeedback>& all = subgraph_.feedback;
    if (all.empty()) return "";
    const bool same = std::all_of(all.begin(), all.end(), [&](const OutputFeedback& each) {
      return each.feedback == all.front().feedback;
    });
    if (same) return all.front().feedback;
    std::string text;
    for (const OutputFeedback& each : all) {
      if (!text.empty()) text += "\n\n";
      text += fmt::format("{}: {}", graph_.node(each.output).identifier, each.feedback);
    }
    return text;
  }

  const Graph& graph_;
  const Subgraph& subgraph_;
  std::set<NodeId> members_;
  std::map<NodeId, int32_t> distances_;
  std::map<std::string, size_t> operators_;  // to their places in the documentation
  Problem problem_;
};

Json ValuesJson(const std::vector<ProblemValue>& values) {
  Json all = Json::object();
  for (const ProblemValue& each : values) {
    all[each.name] = {{"type", each.type}, {"value", PythonText(each.value)}};
    if (!each.constraint.empty()) all[each.name]["constraint"] = each.constraint;
  }
  return all;
}

}  // namespace

Problem MakeProblem(const Graph& graph, const Subgraph& subgraph, const ProblemOptions& options) {
  return ProblemMaker(graph, subgraph).Make(options);
}

Json ProblemJson(const Problem& problem) {
  Json code = Json::array();
  for (const CodeLine& line : problem.code) code.push_back(line.text);
  Json documentation = Json::array();
  for (const OperatorText& each : problem.documentation) documentation.push_back(each.text);
  return {{"code", std::move(code)},
          {"documentation", std::move(documentation)},
          {"variables", ValuesJson(problem.variables)},
          {"inputs", ValuesJson(problem.inputs)},
          {"others", ValuesJson(problem.others)},
          {"outputs", ValuesJson(problem.outputs)},
          {"feedback", problem.feedback}};
}

}  // namespace troupe
