#include "agents/trace/optimizer_step_kind.h"

#include <fmt/format.h>

#include "agents/report/publish.h"
#include "agents/runtime/task_result.h"
#include "agents/trace/graph_message.h"
#include "agents/trace/graph_picture.h"
#include "agents/trace/optimizer_config.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/text_diff.h"

namespace troupe {
namespace {

constexpr int kMaxFeedback = 256;
constexpr size_t kMaxFeedbackBytes = 256 << 10;
constexpr size_t kMaxAllFeedbackBytes = 1 << 20;
constexpr size_t kMaxStateBytes = 1 << 20;
constexpr size_t kKeptStateBytes = 384 << 10;  // so that the next step's context fits beside it

absl::Status WrongStep(const std::string& field, std::string_view part, std::string_view what) {
  const std::string full = field.empty() ? std::string(part) : fmt::format("{}.{}", field, part);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

std::string FieldIn(const std::string& field, std::string_view part) {
  return field.empty() ? std::string(part) : fmt::format("{}.{}", field, part);
}

absl::Status CheckFeedback(const v1::OptimizerStepSpec& step, int nodes, const std::string& field) {
  if (step.feedback().empty())
    return WrongStep(field, "feedback", "say what is thought of an output");
  if (step.feedback_size() > kMaxFeedback) return WrongStep(field, "feedback", "at most 256");
  size_t bytes = 0;
  for (int i = 0; i < step.feedback_size(); ++i) {
    const v1::GraphFeedback& each = step.feedback(i);
    if (each.output() < 0 || each.output() >= nodes) {
      return WrongStep(field, fmt::format("feedback[{}].output", i), "give the id of a node");
    }
    const bool failed = step.graph().nodes(each.output()).has_exception();
    if (each.feedback().empty() && !failed) {
      return WrongStep(field, fmt::format("feedback[{}].feedback", i), "say what is thought of it");
    }
    if (each.feedback().size() > kMaxFeedbackBytes) {
      return WrongStep(field, fmt::format("feedback[{}].feedback", i), "at most 256 KiB");
    }
    bytes += each.feedback().size();
  }
  if (bytes > kMaxAllFeedbackBytes) return WrongStep(field, "feedback", "at most 1 MiB together");
  return absl::OkStatus();
}

// Lines that a person reads: a text as it is, all else laid out.
std::string ReadableValue(const v1::GraphValue& message) {
  const auto value = ValueFromMessage(message, "value");
  if (!value.ok()) return "";
  const Json json = JsonOf(*value);
  return json.is_string() ? json.get<std::string>() : JsonText(*value, 2);
}

void FillResult(const Graph& graph, const Propagation& propagation, const GraphProposal& proposal,
                v1::OptimizerStepResult& result) {
  for (const Change& change : proposal.changes) {
    const Graph::Node& node = graph.node(change.node);
    *result.add_changes() = ChangeMessage(node.name, ValueMessage(node.value, node.type),
                                          ValueMessage(change.value, TypeName(change.value)));
  }
  for (const Refusal& each : proposal.refused) {
    v1::RefusedSuggestion& refused = *result.add_refused();
    refused.set_name(each.name);
    refused.set_suggested(each.suggested);
    refused.set_reason(each.why);
  }
  result.set_reasoning(proposal.reasoning);
  result.set_answer(proposal.answer);
  result.set_finished(proposal.finished);
  for (const NodeId id : graph.parameters()) {
    if (propagation.SubgraphOf(id).feedback.empty()) result.add_unreached(graph.node(id).name);
  }
}

// As the next step takes it: of a memory that is too large the oldest goes.
std::string StateText(OptimizerState& state) {
  std::string text = DumpJson(state.ToJson());
  while (text.size() > kKeptStateBytes && !state.memory.empty()) {
    state.memory.pop_front();
    text = DumpJson(state.ToJson());
  }
  return text;
}

std::string SummaryOf(const v1::OptimizerStepResult& result) {
  std::string text = result.reasoning();
  for (const v1::ParameterChange& each : result.changes()) {
    text += fmt::format("\n\n`{}`:\n\n```diff\n{}```", each.name(), each.diff());
  }
  if (result.changes().empty()) text += "\n\nNothing is to change.";
  return text;
}

}  // namespace

v1::ParameterChange ChangeMessage(const std::string& name, const v1::GraphValue& before,
                                  const v1::GraphValue& after) {
  v1::ParameterChange change;
  change.set_name(name);
  *change.mutable_old_value() = before;
  *change.mutable_new_value() = after;
  change.set_diff(WholeUnifiedDiff(ReadableValue(before), ReadableValue(after), "before", "after"));
  return change;
}

absl::Status CheckOptimizerStep(const v1::OptimizerStepSpec& step, const std::string& field) {
  RETURN_IF_ERROR(CheckOptimizerConfig(step.optimizer(), FieldIn(field, "optimizer")));
  if (!step.has_graph()) return WrongStep(field, "graph", "give what the program did");
  ASSIGN_OR_RETURN(const Graph graph, GraphFromMessage(step.graph(), FieldIn(field, "graph")));
  if (graph.parameters().empty()) {
    return WrongStep(field, "graph.nodes", "at least one must be trainable");
  }
  RETURN_IF_ERROR(CheckFeedback(step, graph.size(), field));
  if (step.state_json().size() > kMaxStateBytes) {
    return WrongStep(field, "state_json", "at most 1 MiB");
  }
  if (!step.state_json().empty()) {
    const auto state = ParseJson(step.state_json(), "the state");
    if (!state.ok()) return WrongStep(field, "state_json", MessageOf(state.status()));
  }
  return absl::OkStatus();
}

std::string OptimizerStepKind::TitleOf(const v1::TaskSpec& spec) const {
  const v1::OptimizerStepSpec& step = spec.optimizer_step();
  if (!step.optimizer().objective().empty()) return step.optimizer().objective();
  return step.feedback().empty() ? "" : step.feedback(0).feedback();
}

absl::Status OptimizerStepKind::Validate(const v1::TaskSpec& spec) const {
  return CheckOptimizerStep(spec.optimizer_step(), "spec.optimizer_step");
}

std::vector<std::string> OptimizerStepKind::PromptFamilies(const v1::TaskSpec&) const {
  return {"trace"};
}

Async<v1::TaskResult> OptimizerStepKind::Run(Scope& scope, v1::TaskSpec spec) const {
  const v1::OptimizerStepSpec& step = spec.optimizer_step();
  CO_ASSIGN_OR_RETURN(const Graph graph,
                      GraphFromMessage(step.graph(), "spec.optimizer_step.graph"));
  Propagation propagation(graph);
  for (const v1::GraphFeedback& each : step.feedback()) {
    // Outputs of one run share nodes.
    CO_RETURN_IF_ERROR(propagation.Backward(each.output(), each.feedback(), /*retain=*/true));
  }
  const Problem problem =
      MakeProblem(graph, propagation.Whole(), ProblemOptionsOf(step.optimizer()));
  OptimizerState state;
  if (!step.state_json().empty()) {
    CO_ASSIGN_OR_RETURN(const Json json, ParseJson(step.state_json(), "the state"));
    state = OptimizerState::FromJson(json);
  }
  const auto optimizer = MakeGraphOptimizer(step.optimizer());
  const auto proposal = co_await optimizer->Propose(scope, "propose", problem, state);
  v1::TaskResult result;
  if (IsLimit(proposal.status())) {
    result.set_stop_reason(StopReasonOf(proposal.status()));
    co_return result;
  }
  CO_RETURN_IF_ERROR(proposal.status());
  FillResult(graph, propagation, *proposal, *result.mutable_optimizer_step());
  Remember(problem, *proposal, MemoryOf(step.optimizer()), state);
  result.mutable_optimizer_step()->set_state_json(StateText(state));
  result.set_text(SummaryOf(result.optimizer_step()));
  result.set_stop_reason(v1::TaskResult::STOP_REASON_COMPLETED);
  if (problem.variables.empty()) co_return result;
  std::vector<ReportFile> files;
  files.push_back({kGraphPictureFile, "The program with its values and the way of the feedback",
                   GraphPictureSvg(problem, "The program as the optimizer was shown it")});
  CO_ASSIGN_OR_RETURN(const std::vector<Artifact> artifacts,
                      co_await PublishReport(scope, std::move(files)));
  AddArtifacts(artifacts, result);
  co_return result;
}

}  // namespace troupe
