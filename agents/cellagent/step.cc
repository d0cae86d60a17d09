#include "agents/cellagent/step.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/cellagent/trial.h"
#include "agents/cellagent/trial_choice.h"
#include "agents/runtime/branches.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// A gain below this is none: one more trial would not pay.
constexpr double kSmallestGain = 0.3;

const Trial* Best(const std::vector<Trial>& trials) {
  const Trial* best = nullptr;
  for (const Trial& trial : trials) {
    if (trial.ran && (best == nullptr || trial.score > best->score)) best = &trial;
  }
  return best;
}

bool IsSatisfied(const Trial& trial, const Situation& situation) {
  return trial.ok && trial.score >= situation.options.satisfied_score;
}

// What a further trial should know of the ones before it.
std::vector<std::string> Remarks(const std::vector<Trial>& trials) {
  std::vector<std::string> remarks;
  remarks.reserve(trials.size());
  for (const Trial& trial : trials) {
    remarks.push_back(trial.ran ? fmt::format("Trial {} ({}) scored {:.1f}: {} Suggested next: {}",
                                              trial.number, fmt::join(trial.tools, ", "),
                                              trial.score, trial.critique, trial.next)
                                : fmt::format("Trial {} ({}) did not run: {}", trial.number,
                                              fmt::join(trial.tools, ", "), trial.critique));
  }
  return remarks;
}

// The first wave: each approach in a branch of its own, from the same state.
Async<std::vector<Trial>> TryApproaches(const Scope& scope, const Situation& situation,
                                        PlannedStep step, std::vector<Approach> approaches,
                                        std::string from) {
  std::vector<NamedBranch<Trial>> branches;
  for (size_t i = 0; i < approaches.size(); ++i) {
    const int number = static_cast<int>(i) + 1;
    const Approach approach = approaches[i];
    const Situation* shared = &situation;
    const auto run = [=](Scope branch) {
      return RunTrial(std::move(branch), *shared, step, approach, number, from, {});
    };
    branches.push_back({"trial", fmt::format("trial:{}", number),
                        fmt::format("{}", fmt::join(approach.tools, ", ")), run});
  }
  std::vector<Trial> trials;
  auto results = co_await All(scope, std::move(branches));
  for (auto& result : results) {
    CO_RETURN_IF_ERROR(result.status());
    trials.push_back(*std::move(result));
  }
  co_return trials;
}

// Further trials one after another, each knowing what the evaluator said of those before it.
AsyncStatus Improve(const Scope& scope, const Situation& situation, const PlannedStep& step,
                    int most, const std::string& from, std::vector<Trial>& trials) {
  while (static_cast<int>(trials.size()) < most) {
    const Trial* best = Best(trials);
    if (best != nullptr && (IsSatisfied(*best, situation) || best->next.empty())) break;
    const double score_before = best == nullptr ? -1 : best->score;
    const int number = static_cast<int>(trials.size()) + 1;
    Scope trial_scope =
        scope.Open("trial", fmt::format("trial:{}", number), "after the evaluator's advice");
    CO_ASSIGN_OR_RETURN(const std::vector<Approach> approaches,
                        co_await SelectTools(trial_scope, situation, step, 1, Remarks(trials)));
    CO_ASSIGN_OR_RETURN(Trial trial,
                        co_await RunTrial(std::move(trial_scope), situation, step, approaches[0],
                                          number, from, Remarks(trials)));
    const bool ran = trial.ran;
    const double score = trial.score;
    trials.push_back(std::move(trial));
    if (ran && score_before >= 0 && score < score_before + kSmallestGain) break;
  }
  co_return absl::OkStatus();
}

// The labels of every trial that ran, as the toolbox prints them.
Async<std::vector<std::string>> LabelsOfTrials(const Scope& scope, const Situation& situation,
                                               const std::vector<Trial>& trials) {
  std::vector<std::string> proposals;
  for (const Trial& trial : trials) {
    if (!trial.ran) continue;
    const std::string name = fmt::format("labels:{}", trial.number);
    Json arguments = {{"code", situation.toolbox->labels_code},
                      {"from", trial.state},
                      {"state", fmt::format("{}/{}", scope.path(), name)}};
    CO_ASSIGN_OR_RETURN(const ToolResult result,
                        co_await scope.CallTool(name, "python", std::move(arguments)));
    if (!result.is_error) {
      proposals.push_back(fmt::format("Trial {} ({}), score {:.1f}: {}", trial.number,
                                      fmt::join(trial.tools, ", "), trial.score,
                                      PrintedText(result)));
    }
  }
  co_return proposals;
}

// Lets the aggregator merge the trials' labels, and applies what it decides to the best trial's
// state. Leaves `finished` as it is if there is nothing to merge or the merged labels do not apply.
AsyncStatus Merge(const Scope& scope, const Situation& situation, const PlannedStep& step,
                  const Trial& best, FinishedStep& finished) {
  const Toolbox& toolbox = *situation.toolbox;
  CO_ASSIGN_OR_RETURN(const std::vector<std::string> proposals,
                      co_await LabelsOfTrials(scope, situation, finished.outcome.trials));
  if (proposals.size() < 2) co_return absl::OkStatus();
  const auto consensus = co_await AgreeOnLabels(scope, situation, step, proposals);
  if (HasReason(consensus.status(), Reason::kModelBadReply)) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(consensus.status());
  const std::string code =
      fmt::format("CONSENSUS = {}\n{}", DumpJson(Json(consensus->labels)), toolbox.consensus_code);
  Json arguments = {
      {"code", code}, {"from", best.state}, {"state", fmt::format("{}/consensus", scope.path())}};
  CO_ASSIGN_OR_RETURN(const ToolResult result,
                      co_await scope.CallTool("consensus", "python", std::move(arguments)));
  if (result.is_error) co_return absl::OkStatus();
  finished.state = JsonString(result.value, "state");
  finished.cell.code += "\n\n# What the trials agreed on.\n" + code;
  for (Json output : JsonArray(result.value, "outputs")) {
    finished.cell.outputs.push_back(std::move(output));
  }
  finished.outcome.reason = "Consensus of the trials. " + consensus->reason;
  co_return absl::OkStatus();
}

}  // namespace

Async<FinishedStep> RunStep(Scope scope, const Situation& situation, PlannedStep step,
                            std::string from) {
  const StepKind* kind = situation.toolbox->FindStep(step.kind);
  const int limit = situation.options.max_trials;
  int most = kind == nullptr ? 1 : std::max(1, kind->trials);
  if (limit > 0) most = std::min(most, limit);
  const int side_by_side = std::min(most, kind == nullptr ? 1 : std::max(1, kind->approaches));

  FinishedStep finished;
  finished.outcome.step = step;
  finished.state = from;
  std::vector<std::string> no_remarks;
  CO_ASSIGN_OR_RETURN(
      std::vector<Approach> approaches,
      co_await SelectTools(scope, situation, step, side_by_side, std::move(no_remarks)));
  CO_ASSIGN_OR_RETURN(finished.outcome.trials,
                      co_await TryApproaches(scope, situation, step, std::move(approaches), from));
  CO_RETURN_IF_ERROR(co_await Improve(scope, situation, step, most, from, finished.outcome.trials));

  CO_ASSIGN_OR_RETURN(const ChosenTrial chosen,
                      co_await ChooseTrial(scope, situation, step, finished.outcome.trials));
  const Trial* const best = chosen.trial;
  if (best == nullptr) {
    scope.Progress(fmt::format("{}: no trial's code ran", step.title));
    scope.End(Error(Reason::kToolFailed, fmt::format("no trial of '{}' ran", step.title)));
    co_return finished;
  }
  finished.outcome.chosen = best->number;
  finished.outcome.reason = chosen.reason;
  finished.state = best->state;
  finished.cell = {step.title, best->code, best->outputs, best->content};
  if (kind != nullptr && kind->aggregation == Aggregation::kConsensus) {
    CO_RETURN_IF_ERROR(co_await Merge(scope, situation, step, *best, finished));
  }
  scope.Note("chosen_trial", best->number);
  scope.Note("score", best->score);
  scope.Note("reason", finished.outcome.reason);
  scope.Progress(fmt::format("{}: trial {} of {} goes on, score {:.1f}", step.title, best->number,
                             finished.outcome.trials.size(), best->score));
  scope.End();
  co_return finished;
}

}  // namespace troupe
