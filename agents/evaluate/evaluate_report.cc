#include "agents/evaluate/evaluate_report.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "agents/runtime/text.h"
#include "agents/runtime/usage_message.h"
#include "tools/base/hash.h"
#include "tools/base/signed_text.h"

namespace troupe {
namespace {

constexpr size_t kShownRuns = 200;
constexpr size_t kShownAnswer = 1000;
constexpr size_t kShownReason = 300;
constexpr size_t kListedArtifacts = 200;

google::protobuf::Duration DurationOf(absl::Duration time) {
  google::protobuf::Duration message;
  const int64_t micros = absl::ToInt64Microseconds(time);
  message.set_seconds(micros / 1'000'000);
  message.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  return message;
}

v1::Interval IntervalOf(const ConfidenceInterval& interval) {
  v1::Interval message;
  message.set_value(interval.value);
  message.set_low(interval.low);
  message.set_high(interval.high);
  return message;
}

v1::RunResult RunOf(const EvaluateOptions& options, const EvaluatedRun& run, size_t answer_bytes) {
  v1::RunResult message;
  message.set_item_number(run.item_number);
  message.set_item_id(run.item_id);
  message.set_variant(options.variants[run.variant].name);
  message.set_repeat(run.repeat);
  message.set_question(run.question);
  message.set_expected(run.expected);
  message.set_answer(Elide(run.answer, answer_bytes));
  message.set_score(run.score);
  message.set_passed(run.passed);
  for (const GivenGrade& grade : run.grades) {
    v1::Grade* added = message.add_grades();
    added->set_grader(grade.grader);
    added->set_score(grade.score);
    added->set_passed(grade.passed);
    added->set_reason(Elide(grade.reason, kShownReason));
    added->set_judged(grade.judged);
  }
  message.set_error(run.error);
  *message.mutable_latency() = DurationOf(run.usage.model_time + run.usage.tool_time);
  message.set_cost_microusd(run.usage.cost_microusd);
  message.set_path(run.path);
  for (const v1::Artifact& artifact : run.artifacts) message.add_artifacts(artifact.name());
  return message;
}

v1::VariantResult VariantOf(const EvaluatedVariant& variant, const VariantOutcome& outcome) {
  v1::VariantResult message;
  message.set_name(variant.name);
  if (!variant.prompt.text.empty()) {
    message.set_prompt_id(variant.prompt.id);
    message.set_sha256(Sha256Hex(variant.prompt.text));
  }
  message.set_items(static_cast<int32_t>(outcome.numbers.size()));
  message.set_passed(
      static_cast<int32_t>(std::count(outcome.passes.begin(), outcome.passes.end(), true)));
  message.set_failed_runs(outcome.failed_runs);
  *message.mutable_pass_rate() = IntervalOf(outcome.pass_rate);
  *message.mutable_score() = IntervalOf(outcome.score);
  for (const GraderMean& grader : outcome.graders) {
    v1::GraderResult* added = message.add_graders();
    added->set_name(grader.name);
    added->set_score(grader.score);
    added->set_pass_rate(grader.pass_rate);
  }
  FillUsage(outcome.usage, *message.mutable_cost());
  FillUsage(outcome.grading, *message.mutable_grading_cost());
  *message.mutable_latency_median() = DurationOf(outcome.latency_median);
  *message.mutable_latency_p95() = DurationOf(outcome.latency_p95);
  for (const int32_t number : outcome.numbers) message.add_item_numbers(number);
  for (const double score : outcome.scores) message.add_item_scores(static_cast<float>(score));
  for (const bool passed : outcome.passes) message.add_item_passes(passed);
  return message;
}

v1::VariantComparison ComparisonOf(const VariantComparison& comparison) {
  v1::VariantComparison message;
  message.set_left(comparison.left);
  message.set_right(comparison.right);
  message.set_pairs(comparison.pairs);
  message.set_only_left_passed(comparison.only_left_passed);
  message.set_only_right_passed(comparison.only_right_passed);
  message.set_mcnemar_p(comparison.mcnemar_p);
  message.set_wins(comparison.wins);
  message.set_ties(comparison.ties);
  message.set_losses(comparison.losses);
  message.set_sign_p(comparison.sign_p);
  *message.mutable_difference() = IntervalOf(comparison.difference);
  if (comparison.better > 0) message.set_better(comparison.left);
  if (comparison.better < 0) message.set_better(comparison.right);
  return message;
}

// A cell of a Markdown table.
std::string Cell(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '|', '/');
  return text;
}

using Row = std::vector<std::string>;

// Columns as wide as their widest cell; the first to the left, the others to the right.
std::string Table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size(), 3);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (size_t number = 0; number < rows.size(); ++number) {
    for (size_t i = 0; i < rows[number].size(); ++i) {
      text += i == 0 ? fmt::format("| {:<{}} |", rows[number][i], widths[i])
                     : fmt::format(" {:>{}} |", rows[number][i], widths[i]);
    }
    text += "\n";
    if (number != 0) continue;
    for (size_t i = 0; i < widths.size(); ++i) {
      text += fmt::format("{}{}{}|", i == 0 ? "|" : "", i == 0 ? ":" : "",
                          std::string(widths[i] + (i == 0 ? 1 : 1), '-') + (i == 0 ? "" : ":"));
    }
    text += "\n";
  }
  return text;
}

std::string Percent(const ConfidenceInterval& interval) {
  return fmt::format("{:.1f} % ({:.1f}-{:.1f})", 100 * interval.value, 100 * interval.low,
                     100 * interval.high);
}

std::string Decimals(const ConfidenceInterval& interval) {
  return fmt::format("{:.3f} ({:.3f}-{:.3f})", interval.value, interval.low, interval.high);
}

std::string Money(int64_t microusd) {
  return microusd == 0 ? "-" : fmt::format("${:.4f}", static_cast<double>(microusd) * 1e-6);
}

std::string Sentence(const VariantComparison& comparison, double level) {
  const std::string said =
      comparison.better == 0
          ? "no significant difference"
          : fmt::format("{} is better", comparison.better > 0 ? comparison.left : comparison.right);
  return fmt::format(
      "- {} against {}: {}. On {} items it scored higher on {}, the same on {}, lower on {} (sign "
      "test p = {:.3g}); score {} ({} to {}, {:.3g} %); only it passed {}, only the "
      "other {} (McNemar p = {:.3g}).\n",
      comparison.left, comparison.right, said, comparison.pairs, comparison.wins, comparison.ties,
      comparison.losses, comparison.sign_p, SignedText(comparison.difference.value, 3),
      SignedText(comparison.difference.low, 3), SignedText(comparison.difference.high, 3),
      100 * level, comparison.only_left_passed, comparison.only_right_passed, comparison.mcnemar_p);
}

}  // namespace

std::string EvaluationTable(const EvaluateOptions& options, const EvaluateOutcome& outcome) {
  // Without times, which are others in every run: the same answers give the same text.
  std::vector<Row> rows = {
      {"variant", "items", "passed", "score", "failed", "tokens", "cost", "grading"}};
  for (size_t i = 0; i < outcome.variants.size(); ++i) {
    const VariantOutcome& variant = outcome.variants[i];
    rows.push_back({Cell(options.variants[i].name), std::to_string(variant.numbers.size()),
                    Percent(variant.pass_rate), Decimals(variant.score),
                    std::to_string(variant.failed_runs), std::to_string(variant.usage.tokens()),
                    Money(variant.usage.cost_microusd), Money(variant.grading.cost_microusd)});
  }
  std::string text = Table(rows);
  if (!outcome.comparisons.empty()) text += "\n";
  for (const VariantComparison& comparison : outcome.comparisons) {
    text += Sentence(comparison, options.confidence);
  }
  return text;
}

std::string RunLines(const EvaluateOptions& options, const EvaluateOutcome& outcome) {
  std::string lines;
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  print.always_print_primitive_fields = true;
  for (const EvaluatedRun& run : outcome.runs) {
    std::string line;
    const auto printed = google::protobuf::util::MessageToJsonString(
        RunOf(options, run, run.answer.size()), &line, print);
    if (printed.ok()) lines += line + "\n";
  }
  return lines;
}

v1::EvaluateResult ResultOf(const EvaluateOptions& options, const EvaluateOutcome& outcome) {
  v1::EvaluateResult result;
  result.set_repeats(options.repeats);
  result.set_confidence(options.confidence);
  result.set_runs_done(static_cast<int32_t>(outcome.runs.size()));
  for (size_t i = 0; i < outcome.variants.size(); ++i) {
    *result.add_variants() = VariantOf(options.variants[i], outcome.variants[i]);
  }
  for (const VariantComparison& comparison : outcome.comparisons) {
    *result.add_comparisons() = ComparisonOf(comparison);
  }
  for (const bool passed : {false, true}) {
    for (const EvaluatedRun& run : outcome.runs) {
      if (static_cast<size_t>(result.runs_size()) == kShownRuns) break;
      if (run.passed == passed) *result.add_runs() = RunOf(options, run, kShownAnswer);
    }
  }
  return result;
}

void AddRunArtifacts(const EvaluateOptions& options, const EvaluateOutcome& outcome,
                     v1::TaskResult& result) {
  size_t added = 0;
  for (const EvaluatedRun& run : outcome.runs) {
    std::string whose = fmt::format("item {}", run.item_id);
    if (options.variants.size() > 1) whose += ", " + options.variants[run.variant].name;
    if (options.repeats > 1) whose += fmt::format(", run {}", run.repeat);
    for (const v1::Artifact& artifact : run.artifacts) {
      if (added++ == kListedArtifacts) return;
      v1::Artifact* listed = result.add_artifacts();
      *listed = artifact;
      listed->set_description(artifact.description().empty()
                                  ? whose
                                  : fmt::format("{}: {}", whose, artifact.description()));
    }
  }
}

void AddWins(const EvaluateOptions& options, const EvaluateOutcome& outcome,
             v1::TaskResult& result) {
  size_t next = 0;
  for (size_t left = 0; left < options.variants.size(); ++left) {
    for (size_t right = left + 1; right < options.variants.size(); ++right) {
      const VariantComparison& comparison = outcome.comparisons[next++];
      const std::string& prompt = options.variants[left].registered;
      if (comparison.better == 0 || prompt.empty() ||
          prompt != options.variants[right].registered) {
        continue;
      }
      const bool left_won = comparison.better > 0;
      const double sign = left_won ? 1 : -1;
      const ConfidenceInterval& difference = comparison.difference;
      v1::PromptWin* win = result.add_wins();
      win->set_prompt("prompts/" + prompt);
      win->set_winner_sha256(Sha256Hex(options.variants[left_won ? left : right].prompt.text));
      win->set_loser_sha256(Sha256Hex(options.variants[left_won ? right : left].prompt.text));
      win->set_items(comparison.pairs);
      win->set_comparisons(comparison.pairs);
      win->set_wins(left_won ? comparison.wins : comparison.losses);
      win->set_ties(comparison.ties);
      win->set_losses(left_won ? comparison.losses : comparison.wins);
      win->set_p_value(comparison.sign_p);
      win->set_difference_low(sign * (left_won ? difference.low : difference.high));
      win->set_difference_high(sign * (left_won ? difference.high : difference.low));
      std::string graders;
      for (const GraderSet::Entry& grader : options.graders.entries()) {
        if (grader.weight > 0) graders += (graders.empty() ? "" : ", ") + grader.name;
      }
      win->set_method(
          fmt::format("scores by {}; exact sign test; paired bootstrap interval at {:.3g} %",
                      graders, 100 * options.confidence));
    }
  }
}

}  // namespace troupe
