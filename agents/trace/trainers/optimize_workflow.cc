#include "agents/trace/trainers/optimize_workflow.h"

#include <fmt/format.h>

#include <numeric>

#include "agents/runtime/task_result.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

void AddRuns(const std::vector<TriedItem>& tried, const std::vector<Item>& items, size_t variant,
             std::vector<EvaluatedRun>& runs) {
  for (const TriedItem& each : tried) {
    EvaluatedRun run;
    run.item_number = items[each.item].number;
    run.item_id = items[each.item].id;
    run.variant = variant;
    run.score = each.score;
    run.passed = each.passed;
    run.answer = each.answer;
    run.error = each.error;
    run.grades = each.grades;
    runs.push_back(std::move(run));
  }
}

// The best values and the first ones on items that neither was made from.
AsyncStatus Test(const Scope& task, TrainingGround& ground, const std::vector<Item>& items,
                 OptimizeWorkflowOutcome& outcome) {
  Scope scope = task.Open("test", "test", "The first and the best values on the test items");
  EvaluateOptions& options = outcome.test_options;
  options.graders = ground.options().graders;
  options.confidence = ground.options().confidence;
  std::vector<size_t> places(items.size());
  std::iota(places.begin(), places.end(), size_t{0});
  std::vector<std::pair<std::string, TrainingCandidatePtr>> tested = {{"best", outcome.best}};
  if (outcome.best != outcome.first()) tested.emplace_back("first", outcome.first());
  if (tested.size() == 1) tested[0].first = "first";
  std::vector<EvaluatedRun> runs;
  for (size_t variant = 0; variant < tested.size(); ++variant) {
    auto tried =
        co_await ground.Try(scope, tested[variant].first, tested[variant].second, &items, places);
    if (!tried.ok()) {
      scope.End(tried.status());
      co_return tried.status();
    }
    AddRuns(*tried, items, variant, runs);
    options.variants.push_back({tested[variant].first, PlainPrompt(""), ""});
  }
  outcome.test = SumUpRuns(std::move(runs), options, task.Random("test.bootstrap"));
  scope.End();
  co_return absl::OkStatus();
}

}  // namespace

std::string OptimizeWorkflowOutcome::picture() const {
  if (!best->picture.empty()) return best->picture;
  for (const TrainingCandidatePtr& candidate : candidates) {
    if (!candidate->picture.empty()) return candidate->picture;
  }
  return "";
}

Async<OptimizeWorkflowOutcome> OptimizeWorkflow(const Scope& task, OptimizeWorkflowOptions options,
                                                const GraphOptimizer* optimizer,
                                                const WorkflowServices* services) {
  TrainingGround ground(std::move(options.ground), optimizer, services);
  const std::unique_ptr<const Trainer> trainer = MakeTrainer(options.trainer.kind);
  OptimizeWorkflowOutcome outcome;
  CO_ASSIGN_OR_RETURN(outcome.training, co_await trainer->Train(task, ground, options.trainer));
  outcome.candidates = ground.candidates();
  outcome.curve = ground.curve();
  outcome.runs = ground.runs();
  outcome.best = ground.Best();
  if (outcome.best == nullptr) outcome.best = outcome.candidates.front();
  if (options.test.empty() || !outcome.training.stopped.ok()) co_return outcome;
  const absl::Status tested = co_await Test(task, ground, options.test, outcome);
  if (!tested.ok() && !IsLimit(tested)) co_return tested;
  outcome.training.stopped = tested;
  co_return outcome;
}

}  // namespace troupe
