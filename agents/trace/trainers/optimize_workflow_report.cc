#include "agents/trace/trainers/optimize_workflow_report.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "agents/evaluate/evaluate_report.h"
#include "agents/report/markdown.h"
#include "agents/report/score_curve.h"
#include "agents/runtime/text.h"
#include "agents/trace/graph_picture.h"
#include "agents/workflow/parameter.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/text_diff.h"

namespace troupe {
namespace {

constexpr size_t kMaxCandidates = 500;
constexpr size_t kMaxShown = 60;  // candidates in the page
constexpr size_t kMaxReasoning = 4000;
constexpr size_t kMaxHistory = 2 << 20;
constexpr size_t kMaxCandidateBytes = 3 << 19;
constexpr DiffLayout kDiff{.context = 3, .max_lines = 200, .max_width = 400};

void FillInterval(const ConfidenceInterval& interval, v1::Interval& message) {
  message.set_value(interval.value);
  message.set_low(interval.low);
  message.set_high(interval.high);
}

v1::OptimizeWorkflowResult::Ending EndingOf(TrainingEnd end) {
  switch (end) {
    case TrainingEnd::kNoGain:
      return v1::OptimizeWorkflowResult::ENDING_NO_GAIN;
    case TrainingEnd::kTarget:
      return v1::OptimizeWorkflowResult::ENDING_TARGET;
    case TrainingEnd::kRuns:
      return v1::OptimizeWorkflowResult::ENDING_RUNS;
    case TrainingEnd::kFinished:
      return v1::OptimizeWorkflowResult::ENDING_FINISHED;
    case TrainingEnd::kLimit:
      return v1::OptimizeWorkflowResult::ENDING_STOPPED;
    case TrainingEnd::kSteps:
      break;
  }
  return v1::OptimizeWorkflowResult::ENDING_STEPS;
}

std::string EndingWords(v1::OptimizeWorkflowResult::Ending ending) {
  switch (ending) {
    case v1::OptimizeWorkflowResult::ENDING_NO_GAIN:
      return "nothing was gained any more";
    case v1::OptimizeWorkflowResult::ENDING_TARGET:
      return "the target score was reached";
    case v1::OptimizeWorkflowResult::ENDING_RUNS:
      return "the limit of runs was reached";
    case v1::OptimizeWorkflowResult::ENDING_FINISHED:
      return "the optimizer found nothing left to change";
    case v1::OptimizeWorkflowResult::ENDING_STOPPED:
      return "a limit was reached before it was done";
    default:
      return "all steps were gone through";
  }
}

void FillCandidate(const TrainingCandidate& candidate, const TrainingCandidate* parent,
                   v1::WorkflowCandidate& message) {
  message.set_number(candidate.number);
  message.set_parent(candidate.parent);
  message.set_other_parent(candidate.other_parent);
  message.set_step(candidate.step);
  for (const auto& [name, value] : candidate.values.items()) {
    if (parent != nullptr && JsonMember(parent->values, name) == value) continue;
    (*message.mutable_changes())[name] = ValueOf(value);
  }
  message.set_reasoning(TruncateUtf8(candidate.reasoning, kMaxReasoning));
  message.set_accepted(candidate.accepted);
  message.set_note(candidate.note);
  message.set_score(candidate.ValidationScore());
  message.set_validation_items(static_cast<int32_t>(candidate.validation.size()));
}

void FillTest(const OptimizeWorkflowOutcome& outcome, v1::OptimizeWorkflowResult& result) {
  if (!outcome.test.has_value()) return;
  v1::WorkflowTest& test = *result.mutable_test();
  const auto& variants = outcome.test->variants;
  FillInterval(variants.back().score, *test.mutable_first());
  FillInterval(variants.front().score, *test.mutable_best());
  if (variants.size() < 2) return;
  *test.mutable_comparison() = ResultOf(outcome.test_options, *outcome.test).comparisons(0);
}

// A value as lines of text.
std::string TextOfValue(const google::protobuf::Value& value) {
  const Json json = JsonOf(value);
  return json.is_string() ? json.get<std::string>() : PrettyJson(json);
}

std::string IntervalText(const v1::Interval& interval) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", interval.value(), interval.low(),
                     interval.high());
}

std::string TestText(const v1::OptimizeWorkflowResult& result) {
  if (!result.has_test()) return "";
  const v1::VariantComparison& comparison = result.test().comparison();
  std::string text = fmt::format("On the {} test items the best values score {}, the first {}",
                                 result.test_items(), IntervalText(result.test().best()),
                                 IntervalText(result.test().first()));
  if (comparison.pairs() == 0) return text + ".";
  return text + fmt::format(": {} better, {} the same, {} worse (sign test p = {:.3g}); {}.",
                            comparison.wins(), comparison.ties(), comparison.losses(),
                            comparison.sign_p(),
                            comparison.better() == "best" ? "the best values are better with "
                                                            "significance"
                            : comparison.better() == "first"
                                ? "the first values are better with significance"
                                : "no significant difference");
}

const v1::WorkflowCandidate* Numbered(const v1::OptimizeWorkflowResult& result, int number) {
  for (const v1::WorkflowCandidate& candidate : result.candidates()) {
    if (candidate.number() == number) return &candidate;
  }
  return nullptr;
}

std::string BestSection(const v1::OptimizeWorkflowResult& result) {
  const v1::WorkflowCandidate* first = Numbered(result, 1);
  std::string text = "## The best values\n\n";
  const std::map<std::string, google::protobuf::Value> values(result.values().begin(),
                                                              result.values().end());
  for (const auto& [name, value] : values) {
    const auto before = first->changes().find(name);
    const std::string was = before == first->changes().end() ? "" : TextOfValue(before->second);
    const std::string now = TextOfValue(value);
    text += fmt::format("### {}\n\n", InlineText(name));
    if (was == now) {
      text += "Unchanged.\n\n";
      continue;
    }
    text += FencedText(now, "text") + "\nAgainst the first one:\n\n" +
            FencedText(UnifiedDiff(was, now, "first", "best", kDiff), "diff") + "\n";
  }
  return text;
}

std::string CandidateSection(const v1::OptimizeWorkflowResult& result) {
  std::string text =
      "## Candidates\n\n| candidate | step | from | changes | score | items | kept | |\n"
      "|--:|--:|--:|---|--:|--:|---|---|\n";
  size_t shown = 0;
  for (const v1::WorkflowCandidate& candidate : result.candidates()) {
    if (++shown > kMaxShown) break;
    std::vector<std::string> changes;
    for (const auto& [name, value] : candidate.changes()) changes.push_back(name);
    std::sort(changes.begin(), changes.end());
    std::string from = candidate.parent() > 0 ? std::to_string(candidate.parent()) : "";
    if (candidate.other_parent() > 0) from += fmt::format(" and {}", candidate.other_parent());
    text += fmt::format(
        "| {}{} | {} | {} | {} | {} | {} | {} | {} |\n", candidate.number(),
        candidate.number() == result.best() ? " best" : "", candidate.step(), from,
        candidate.number() == 1 ? "" : fmt::format("{}", fmt::join(changes, ", ")),
        candidate.validation_items() > 0 ? fmt::format("{:.3f}", candidate.score()) : "",
        candidate.validation_items(), candidate.accepted() ? "yes" : "",
        InlineText(candidate.note()));
  }
  if (static_cast<size_t>(result.candidates_size()) > kMaxShown) {
    text += fmt::format("\n{} more are left out.\n", result.candidates_size() - kMaxShown);
  }
  return text + "\n";
}

// What a candidate changed of what it was made from, and why.
std::string ChangesText(const v1::OptimizeWorkflowResult& result,
                        const v1::WorkflowCandidate& candidate) {
  std::string text =
      fmt::format("### Step {}: candidate {} from {}{}\n\n", candidate.step(), candidate.number(),
                  candidate.parent(), candidate.accepted() ? "" : ", not kept");
  if (candidate.validation_items() > 0) {
    text += fmt::format("{:.3f} on {} validation items. ", candidate.score(),
                        candidate.validation_items());
  }
  if (!candidate.note().empty()) text += InlineText(candidate.note());
  text += "\n\n";
  if (!candidate.reasoning().empty()) text += InlineText(candidate.reasoning(), 1500) + "\n\n";
  const std::map<std::string, google::protobuf::Value> changes(candidate.changes().begin(),
                                                               candidate.changes().end());
  for (const auto& [name, value] : changes) {
    std::string was;
    // The closest ancestor that says what it was.
    for (const auto* at = Numbered(result, candidate.parent()); at != nullptr;
         at = Numbered(result, at->parent())) {
      const auto found = at->changes().find(name);
      if (found == at->changes().end()) continue;
      was = TextOfValue(found->second);
      break;
    }
    text += FencedText(UnifiedDiff(was, TextOfValue(value),
                                   fmt::format("{} of {}", name, candidate.parent()),
                                   fmt::format("{} of {}", name, candidate.number()), kDiff),
                       "diff") +
            "\n";
  }
  return text;
}

// What every candidate that was kept changed, and why.
std::string HistorySection(const v1::OptimizeWorkflowResult& result) {
  std::string text = "## Steps\n\nThose that were kept; history.md has all.\n\n";
  size_t shown = 0;
  for (const v1::WorkflowCandidate& candidate : result.candidates()) {
    if (candidate.number() == 1 || !candidate.accepted() || ++shown > kMaxShown / 2) continue;
    text += ChangesText(result, candidate);
  }
  return shown == 0 ? "" : text;
}

// Every candidate in the order in which they were made, as far as there is room.
std::string HistoryPage(const v1::OptimizeWorkflowResult& result) {
  std::string text = "# Every candidate, with what it changed\n\n";
  for (const v1::WorkflowCandidate& candidate : result.candidates()) {
    if (candidate.number() == 1) continue;
    const std::string changes = ChangesText(result, candidate);
    if (text.size() + changes.size() > kMaxHistory) {
      text += fmt::format("Candidate {} and those behind it are left out.\n", candidate.number());
      break;
    }
    text += changes;
  }
  return text;
}

std::string CurveOf(const v1::OptimizeWorkflowResult& result) {
  std::vector<ScorePoint> points;
  for (const v1::WorkflowTrainingPoint& point : result.curve()) {
    points.push_back({point.step(), point.score().value(), point.score().low(),
                      point.score().high(), point.best(), fmt::format("{} runs", point.runs())});
  }
  return ScoreCurveSvg("Score on validation",
                       "The best candidate after each step, with the 95 % interval over items",
                       points);
}

}  // namespace

void FillOptimizeResult(const OptimizeWorkflowOutcome& outcome, const v1::Workflow& workflow,
                        v1::OptimizeWorkflowResult& result) {
  result.set_best(outcome.best->number);
  result.set_ending(EndingOf(outcome.training.end));
  if (!outcome.training.stopped.ok()) {
    result.set_ending(v1::OptimizeWorkflowResult::ENDING_STOPPED);
  }
  result.set_runs(outcome.runs);
  size_t others = outcome.candidates.size();
  for (const TrainingCandidatePtr& candidate : outcome.candidates) {
    const bool kept = candidate->accepted || candidate == outcome.best;
    // From the first on, those that were not kept are left out until the rest has room.
    if (!kept && others > kMaxCandidates) {
      --others;
      continue;
    }
    const TrainingCandidate* parent =
        candidate->parent > 0 ? outcome.candidates[static_cast<size_t>(candidate->parent) - 1].get()
                              : nullptr;
    FillCandidate(*candidate, parent, *result.add_candidates());
  }
  for (const auto& [name, value] : outcome.best->values.items()) {
    (*result.mutable_values())[name] = ValueOf(value);
  }
  *result.mutable_workflow() = WithValues(workflow, outcome.best->values);
  for (const TrainingPoint& point : outcome.curve) {
    v1::WorkflowTrainingPoint& message = *result.add_curve();
    message.set_step(point.step);
    message.set_best(point.best);
    FillInterval({point.score, point.low, point.high}, *message.mutable_score());
    message.set_runs(point.runs);
    message.set_cost_microusd(point.cost_microusd);
  }
  FillTest(outcome, result);
}

void FitCandidates(v1::OptimizeWorkflowResult& result) {
  size_t bytes = 0;
  for (v1::WorkflowCandidate& candidate : *result.mutable_candidates()) {
    const size_t size = candidate.ByteSizeLong();
    const bool kept = candidate.number() == 1 || candidate.number() == result.best();
    if (kept || bytes + size <= kMaxCandidateBytes) {
      bytes += size;
      continue;
    }
    candidate.clear_reasoning();
    candidate.clear_changes();
    bytes += candidate.ByteSizeLong();
  }
}

std::string OptimizeSummary(const v1::OptimizeWorkflowResult& result) {
  const v1::WorkflowCandidate* best = Numbered(result, result.best());
  const v1::WorkflowCandidate* first = Numbered(result, 1);
  std::string text = fmt::format(
      "Candidate {} of {} is the best: {:.3f} on validation, where the "
      "first values have {:.3f}. It ended since {}, after {} runs of "
      "the workflow.\n",
      result.best(), result.candidates_size(), best->score(), first->score(),
      EndingWords(result.ending()), result.runs());
  const std::string test = TestText(result);
  return test.empty() ? text : text + test + "\n";
}

std::vector<ReportFile> MakeOptimizeReport(const v1::OptimizeWorkflowResult& result,
                                           std::string graph_picture) {
  std::vector<ReportFile> files;
  std::string page = "# Report of a workflow's optimization\n\n" + OptimizeSummary(result) +
                     "\n![Score on validation](score-curve.svg)\n\n";
  if (!graph_picture.empty()) page += "![What the optimizer was shown](graph.svg)\n\n";
  page += BestSection(result) + CandidateSection(result) + HistorySection(result);
  files.push_back({"report.md", "What the optimization did and came to", std::move(page)});
  if (result.candidates_size() > 1) {
    files.push_back({"history.md", "Every candidate, with what it changed", HistoryPage(result)});
  }
  files.push_back({"score-curve.svg", "The score step by step", CurveOf(result)});
  if (!graph_picture.empty()) {
    files.push_back({kGraphPictureFile, "The program with its values and the way of the feedback",
                     std::move(graph_picture)});
  }
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  std::string printed;
  if (google::protobuf::util::MessageToJsonString(result.workflow(), &printed, print).ok()) {
    // The entries of a message's maps come in another order in every process, and what is written
    // must be the same in every life of the task.
    auto sorted = ParseJson(printed, "the workflow");
    if (sorted.ok()) {
      files.push_back(
          {"workflow.json", "The workflow with the best values", PrettyJson(*sorted) + "\n"});
    }
  }
  return files;
}

void AddTrainedWin(const OptimizeWorkflowOutcome& outcome, const v1::Workflow& workflow,
                   v1::TaskResult& result) {
  if (!outcome.test.has_value() || outcome.best == outcome.first()) return;
  std::string changed;
  for (const auto& [name, value] : outcome.best->values.items()) {
    if (JsonMember(outcome.first()->values, name) == value) continue;
    if (!changed.empty()) return;  // which of them it is due to is not known
    changed = name;
  }
  const std::string& registered = workflow.parameters().at(changed).registered_prompt();
  if (registered.empty()) return;
  EvaluateOptions options = outcome.test_options;
  options.variants[0].registered = options.variants[1].registered = registered;
  options.variants[0].prompt = PlainPrompt(outcome.best->values[changed].get<std::string>());
  options.variants[1].prompt = PlainPrompt(outcome.first()->values[changed].get<std::string>());
  AddWins(options, *outcome.test, result);
}

}  // namespace troupe
