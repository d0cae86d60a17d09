// Problem: what parameters received, arranged as OptoPrime shows it to a model: the program as
// lines of code, what its operators do, the values that may be changed, those that came in, came
// out and lay between, and the feedback (arXiv 2406.16218, section 3.3). As data here; as text in
// problem_text.h.
//
// Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/trace/graph.h"
#include "agents/trace/propagate.h"
#include "tools/base/json.h"

namespace troupe {

struct ProblemValue {
  NodeId node = kNoNode;
  std::string name;  // the node's identifier
  std::string type;  // "int", "code" ...
  GraphValue value;
  std::string constraint;
  int32_t distance = 0;  // operations between it and the nearest output

  bool is_code() const { return std::holds_alternative<GraphCode>(value); }
};

// "sum0 = add(x=x0, y=b0)"
struct CodeLine {
  NodeId node = kNoNode;
  int32_t level = 0;
  std::string text;
  int32_t distance = 0;
};

struct OperatorText {
  std::string operation;
  std::string text;  // "[add] The sum of x and y."
};

struct Problem {
  const Graph* graph = nullptr;  // outlives the problem
  std::string instruction;
  std::vector<CodeLine> code;  // by level, then by text
  std::vector<OperatorText> documentation;
  std::vector<ProblemValue> variables;  // what may be changed
  std::vector<ProblemValue> inputs;     // what else the program began with, or what lies outside
  std::vector<ProblemValue> others;     // what it came to on the way
  std::vector<ProblemValue> outputs;
  std::vector<OutputFeedback> output_feedback;  // of each output that got some
  // All of it, word for word. Where several outputs got feedback that differs, a paragraph each,
  // beginning with the output's name.
  std::string feedback;
};

inline constexpr char kDefaultObjective[] =
    "Change the values of the variables in #Variables so that the output gets better, judging by "
    "#Feedback.";

struct ProblemOptions {
  std::string objective;  // empty: kDefaultObjective
  // Whether parameters that an operator used without being given them are shown among the
  // variables. As published they are not, and so never change.
  bool show_hidden = true;
};

// `subgraph` is of `parameters`, which feedback reached; empty without nodes.
Problem MakeProblem(const Graph& graph, const Subgraph& subgraph, const ProblemOptions& options);

// {"code": [...], "documentation": [...], "variables": {name: {"type", "value", "constraint"}}
// ...}, for records and comparisons.
Json ProblemJson(const Problem& problem);

}  // namespace troupe
