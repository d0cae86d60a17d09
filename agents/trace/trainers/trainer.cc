#include "agents/trace/trainers/trainer.h"

#include <fmt/format.h>

#include "agents/runtime/task_result.h"
#include "tools/base/status_macros.h"

namespace troupe {

std::unique_ptr<const Trainer> MakeTrainer(TrainerKind kind) {
  switch (kind) {
    case TrainerKind::kBasic:
      return MakeBasicTrainer(/*acceptance=*/false);
    case TrainerKind::kMinibatch:
      return MakeBasicTrainer(/*acceptance=*/true);
    case TrainerKind::kBeamSearch:
      return MakeBeamSearch();
    case TrainerKind::kUcbSearch:
      return MakeUcbSearch();
    case TrainerKind::kGepa:
      return MakeGepa();
    case TrainerKind::kPrioritySearch:
      break;
  }
  return MakePrioritySearch();
}

std::string_view TrainerName(TrainerKind kind) {
  switch (kind) {
    case TrainerKind::kBasic:
      return "basic";
    case TrainerKind::kMinibatch:
      return "minibatch";
    case TrainerKind::kBeamSearch:
      return "beam_search";
    case TrainerKind::kUcbSearch:
      return "ucb_search";
    case TrainerKind::kGepa:
      return "gepa";
    case TrainerKind::kPrioritySearch:
      break;
  }
  return "priority_search";
}

Async<TrainingOutcome> Trainer::Train(const Scope& task, TrainingGround& ground,
                                      const TrainerOptions& options) const {
  TrainingOutcome outcome;
  const auto ended_by = [&](const absl::Status& status) {
    outcome.stopped = status;
    outcome.end = TrainingEnd::kLimit;
    return IsLimit(status);
  };
  const TrainingCandidatePtr seed = ground.AddSeed();
  const std::vector<size_t> all;
  const absl::Status first = co_await ground.Validate(task, "seed", seed, all);
  if (!first.ok()) {
    if (!ended_by(first)) co_return first;
    co_return outcome;
  }
  ground.Report(task, 0);
  const std::unique_ptr<Run> run = Begin(ground, options, seed);
  int without_gain = 0;
  for (int step = 1; step <= options.steps; ++step) {
    const double before = ground.Best()->ValidationScore();
    if (before >= options.target - 1e-12) {
      outcome.end = TrainingEnd::kTarget;
      break;
    }
    if (!ground.MayGoOn()) {
      outcome.end = TrainingEnd::kRuns;
      break;
    }
    Scope scope = task.Open("step", fmt::format("step:{}", step), "");
    auto more = co_await run->Step(scope, step);
    scope.End(more.status());
    outcome.steps = step;
    ground.Report(task, step);
    if (!more.ok()) {
      if (!ended_by(more.status())) co_return more.status();
      break;
    }
    if (!*more) {
      outcome.end = TrainingEnd::kFinished;
      break;
    }
    without_gain = ground.Best()->ValidationScore() > before + 1e-12 ? 0 : without_gain + 1;
    if (without_gain >= options.patience) {
      outcome.end = TrainingEnd::kNoGain;
      break;
    }
  }
  if (outcome.end == TrainingEnd::kSteps && outcome.steps > 0 &&
      ground.Best()->ValidationScore() >= options.target - 1e-12) {
    outcome.end = TrainingEnd::kTarget;
  }
  co_return outcome;
}

}  // namespace troupe
