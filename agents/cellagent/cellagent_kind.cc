#include "agents/cellagent/cellagent_kind.h"

#include <fmt/format.h>

#include "agents/cellagent/cellagent.h"
#include "agents/runtime/task_result.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxText = 32 * 1024;
constexpr char kDefaultToolbox[] = "single_cell";

absl::Status Wrong(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.cellagent.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

std::string ToolboxName(const v1::CellAgentSpec& spec) {
  return spec.toolbox().empty() ? kDefaultToolbox : spec.toolbox();
}

TrialChoice TrialChoiceOf(const v1::CellAgentSpec& spec) {
  switch (spec.trial_choice()) {
    case v1::CellAgentSpec::TRIAL_CHOICE_SCORE:
      return TrialChoice::kScore;
    case v1::CellAgentSpec::TRIAL_CHOICE_COMPARISON:
      return TrialChoice::kComparison;
    default:
      return TrialChoice::kTies;
  }
}

CellAgentOptions OptionsOf(const v1::CellAgentSpec& spec) {
  CellAgentOptions options;
  options.request = spec.request();
  options.requirements = spec.requirements();
  for (const auto& [key, value] : spec.context()) options.context[key] = value;
  if (spec.max_steps() > 0) options.max_steps = spec.max_steps();
  options.max_trials = spec.max_trials();
  if (spec.max_attempts() > 0) options.max_attempts = spec.max_attempts();
  options.ask_clarification = spec.ask_clarification();
  if (spec.satisfied_score() > 0) options.satisfied_score = spec.satisfied_score();
  options.use_vision = spec.use_vision();
  options.trial_choice = TrialChoiceOf(spec);
  return options;
}

void FillStep(const StepOutcome& outcome, v1::StepResult& step) {
  step.set_id(outcome.step.id);
  step.set_kind(outcome.step.kind);
  step.set_title(outcome.step.title);
  step.set_chosen_trial(outcome.chosen);
  step.set_reason(outcome.reason);
  for (const Trial& trial : outcome.trials) {
    v1::TrialResult* result = step.add_trials();
    result->set_number(trial.number);
    for (const std::string& tool : trial.tools) result->add_tools(tool);
    result->set_attempts(trial.attempts);
    result->set_ran(trial.ran);
    result->set_metric(trial.metric);
    result->set_score(trial.score);
    result->set_critique(trial.critique);
  }
}

}  // namespace

std::string CellAgentKind::TitleOf(const v1::TaskSpec& spec) const {
  return spec.cellagent().request();
}

absl::Status CellAgentKind::Validate(const v1::TaskSpec& spec) const {
  const v1::CellAgentSpec& cellagent = spec.cellagent();
  if (cellagent.request().empty()) return Wrong("request", "say what to find out");
  if (cellagent.request().size() > kMaxText) return Wrong("request", "at most 32 KiB");
  if (cellagent.requirements().size() > kMaxText) return Wrong("requirements", "at most 32 KiB");
  size_t context = 0;
  for (const auto& [key, value] : cellagent.context()) context += key.size() + value.size();
  if (context > kMaxText) return Wrong("context", "at most 32 KiB together");
  if (!toolboxes_.contains(ToolboxName(cellagent))) {
    std::vector<std::string_view> names;
    for (const auto& [name, toolbox] : toolboxes_) names.push_back(name);
    return Wrong("toolbox", fmt::format("there is no toolbox '{}'; there are: {}",
                                        cellagent.toolbox(), fmt::join(names, ", ")));
  }
  if (cellagent.max_steps() < 0 || cellagent.max_steps() > 32) {
    return Wrong("max_steps", "give 1 to 32, or 0 for 8");
  }
  if (cellagent.max_trials() < 0 || cellagent.max_trials() > 8) {
    return Wrong("max_trials", "give 1 to 8, or 0 for what the toolbox says");
  }
  if (cellagent.max_attempts() < 0 || cellagent.max_attempts() > 8) {
    return Wrong("max_attempts", "give 1 to 8, or 0 for 3");
  }
  if (!(cellagent.satisfied_score() >= 0 && cellagent.satisfied_score() <= 10)) {
    return Wrong("satisfied_score", "give 0 to 10");
  }
  if (!v1::CellAgentSpec::TrialChoice_IsValid(cellagent.trial_choice())) {
    return Wrong("trial_choice",
                 "give TRIAL_CHOICE_TIES, TRIAL_CHOICE_SCORE or TRIAL_CHOICE_COMPARISON, or leave "
                 "it out");
  }
  return absl::OkStatus();
}

Async<v1::TaskResult> CellAgentKind::Run(Scope& scope, v1::TaskSpec spec) const {
  const Toolbox& toolbox = toolboxes_.at(ToolboxName(spec.cellagent()));
  CO_ASSIGN_OR_RETURN(const CellAgentReport report,
                      co_await RunCellAgent(scope, OptionsOf(spec.cellagent()), toolbox));
  v1::TaskResult result;
  result.set_text(report.text);
  result.set_stop_reason(StopReasonOf(report.stopped));
  result.mutable_cellagent()->set_planned_steps(static_cast<int>(report.plan.size()));
  for (const StepOutcome& outcome : report.steps) {
    FillStep(outcome, *result.mutable_cellagent()->add_steps());
  }
  AddArtifacts(report.artifacts, result);
  co_return result;
}

}  // namespace troupe
