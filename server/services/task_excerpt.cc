#include "server/services/task_excerpt.h"

#include "agents/runtime/text.h"
#include "troupe/v1/task.pb.h"

namespace troupe {
namespace {

constexpr size_t kKeptOfGraph = 512;
constexpr size_t kKeptOfResult = 8 << 10;

void Shorten(std::string& text, size_t bytes) {
  if (text.size() > bytes) text = Elide(text, bytes);
}

void Shorten(v1::GraphValue& value, size_t bytes) {
  if (value.kind_case() == v1::GraphValue::kCode) return Shorten(*value.mutable_code(), bytes);
  if (value.kind_case() == v1::GraphValue::kText) return Shorten(*value.mutable_text(), bytes);
  if (value.kind_case() != v1::GraphValue::kJson || value.json().size() <= bytes) return;
  // What is left is no JSON any more.
  const std::string json = value.json();
  value.set_text(Elide(json, bytes));
}

void ShortenGraph(v1::Graph& graph) {
  for (v1::GraphOperator& each : *graph.mutable_operators()) {
    Shorten(*each.mutable_description(), kKeptOfGraph);
  }
  for (v1::GraphNode& node : *graph.mutable_nodes()) {
    Shorten(*node.mutable_value(), kKeptOfGraph);
    Shorten(*node.mutable_description(), kKeptOfGraph);
    Shorten(*node.mutable_constraint(), kKeptOfGraph);
    if (!node.has_exception()) continue;
    Shorten(*node.mutable_exception()->mutable_message(), kKeptOfGraph);
    Shorten(*node.mutable_exception()->mutable_source(), kKeptOfGraph);
  }
}

void ShortenSpec(v1::OptimizerStepSpec& step) {
  step.clear_state_json();
  ShortenGraph(*step.mutable_graph());
  for (v1::GraphFeedback& each : *step.mutable_feedback()) {
    Shorten(*each.mutable_feedback(), kKeptOfGraph);
  }
}

void ShortenResult(v1::TaskResult& task) {
  v1::OptimizerStepResult& result = *task.mutable_optimizer_step();
  result.clear_state_json();
  Shorten(*task.mutable_text(), kKeptOfResult);
  Shorten(*result.mutable_reasoning(), kKeptOfResult);
  Shorten(*result.mutable_answer(), kKeptOfResult);
  for (v1::ParameterChange& each : *result.mutable_changes()) {
    Shorten(*each.mutable_old_value(), kKeptOfResult);
    Shorten(*each.mutable_new_value(), kKeptOfResult);
    Shorten(*each.mutable_diff(), kKeptOfResult);
  }
}

}  // namespace

void FitIntoMessage(v1::Task& task, size_t max_bytes) {
  if (!task.spec().has_optimizer_step() || task.ByteSizeLong() <= max_bytes) return;
  ShortenSpec(*task.mutable_spec()->mutable_optimizer_step());
  if (task.result().has_optimizer_step()) ShortenResult(*task.mutable_result());
  if (task.ByteSizeLong() <= max_bytes) return;
  task.mutable_spec()->mutable_optimizer_step()->clear_graph();
  if (task.ByteSizeLong() <= max_bytes || !task.result().has_optimizer_step()) return;
  task.mutable_result()->mutable_optimizer_step()->clear_changes();
}

}  // namespace troupe
