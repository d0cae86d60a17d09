// What the runs of an evaluation come to.
#include <absl/time/time.h>

#include <algorithm>
#include <cmath>

#include "agents/evaluate/evaluate.h"

namespace troupe {
namespace {

// Scores that differ by less are the same: means of the same grades in another order.
constexpr double kSame = 1e-9;

VariantOutcome SumUpVariant(const std::vector<const EvaluatedRun*>& runs,
                            const EvaluateOptions& options, uint64_t seed) {
  VariantOutcome outcome;
  std::vector<double> latencies;
  const auto& graders = options.graders.entries();
  for (const GraderSet::Entry& grader : graders) outcome.graders.push_back({grader.name, 0, 0});
  for (const EvaluatedRun* run : runs) {
    outcome.usage += run->usage;
    outcome.grading += run->grading;
    if (!run->error.empty()) ++outcome.failed_runs;
    latencies.push_back(absl::ToDoubleSeconds(run->usage.model_time + run->usage.tool_time));
    for (size_t i = 0; i < run->grades.size(); ++i) {
      outcome.graders[i].score += run->grades[i].score;
      outcome.graders[i].pass_rate += run->grades[i].passed ? 1.0 : 0.0;
    }
  }
  // Divided once: of parts that were divided the sum may be over 1.
  for (GraderMean& grader : outcome.graders) {
    grader.score /= std::max(1.0, static_cast<double>(runs.size()));
    grader.pass_rate /= std::max(1.0, static_cast<double>(runs.size()));
  }
  // By item: runs stand in their order.
  const auto repeats = static_cast<size_t>(options.repeats);
  int passed_items = 0;
  for (size_t i = 0; i < runs.size();) {
    size_t end = i;
    double score = 0;
    size_t passed = 0;
    for (; end < runs.size() && runs[end]->item_number == runs[i]->item_number; ++end) {
      score += runs[end]->score;
      if (runs[end]->passed) ++passed;
    }
    if (end - i == repeats) {
      outcome.numbers.push_back(runs[i]->item_number);
      outcome.scores.push_back(score / static_cast<double>(repeats));
      outcome.passes.push_back(2 * passed > repeats);
      if (outcome.passes.back()) ++passed_items;
    }
    i = end;
  }
  outcome.pass_rate = WilsonInterval(passed_items, static_cast<int64_t>(outcome.numbers.size()),
                                     options.confidence);
  outcome.score = MeanScoreInterval(outcome.scores, options.confidence, seed);
  outcome.latency_median = absl::Seconds(Percentile(latencies, 0.5));
  outcome.latency_p95 = absl::Seconds(Percentile(latencies, 0.95));
  return outcome;
}

EvaluationBaseline ByItem(std::string name, const VariantOutcome& outcome) {
  return {std::move(name), outcome.numbers, outcome.scores, outcome.passes};
}

VariantComparison Compare(const EvaluationBaseline& left, const EvaluationBaseline& right,
                          double confidence, uint64_t seed) {
  VariantComparison comparison;
  comparison.left = left.name;
  comparison.right = right.name;
  std::vector<double> differences;
  size_t j = 0;
  for (size_t i = 0; i < left.numbers.size(); ++i) {
    while (j < right.numbers.size() && right.numbers[j] < left.numbers[i]) ++j;
    if (j == right.numbers.size()) break;
    if (right.numbers[j] != left.numbers[i]) continue;
    const double difference = left.scores[i] - right.scores[j];
    differences.push_back(std::abs(difference) < kSame ? 0 : difference);
    if (differences.back() > 0) ++comparison.wins;
    if (differences.back() == 0) ++comparison.ties;
    if (differences.back() < 0) ++comparison.losses;
    if (left.passes[i] && !right.passes[j]) ++comparison.only_left_passed;
    if (!left.passes[i] && right.passes[j]) ++comparison.only_right_passed;
  }
  comparison.pairs = static_cast<int>(differences.size());
  comparison.mcnemar_p = FairCoinP(comparison.only_left_passed, comparison.only_right_passed);
  comparison.sign_p = FairCoinP(comparison.wins, comparison.losses);
  comparison.difference = BootstrapMean(differences, confidence, seed);
  const ConfidenceInterval& interval = comparison.difference;
  if (comparison.sign_p < 1 - confidence) {
    if (interval.low > 0 && comparison.wins > comparison.losses) comparison.better = 1;
    if (interval.high < 0 && comparison.losses > comparison.wins) comparison.better = -1;
  }
  return comparison;
}

}  // namespace

EvaluateOutcome SumUpRuns(std::vector<EvaluatedRun> runs, const EvaluateOptions& options,
                          uint64_t seed) {
  EvaluateOutcome outcome;
  outcome.runs = std::move(runs);
  std::vector<EvaluationBaseline> by_item;
  for (size_t variant = 0; variant < options.variants.size(); ++variant) {
    std::vector<const EvaluatedRun*> own;
    for (const EvaluatedRun& run : outcome.runs) {
      if (run.variant == variant) own.push_back(&run);
    }
    outcome.variants.push_back(SumUpVariant(own, options, seed));
    by_item.push_back(ByItem(options.variants[variant].name, outcome.variants.back()));
  }
  for (size_t left = 0; left < by_item.size(); ++left) {
    for (size_t right = left + 1; right < by_item.size(); ++right) {
      outcome.comparisons.push_back(
          Compare(by_item[left], by_item[right], options.confidence, seed));
    }
  }
  for (const EvaluationBaseline& baseline : options.baselines) {
    for (const EvaluationBaseline& variant : by_item) {
      outcome.comparisons.push_back(Compare(variant, baseline, options.confidence, seed));
    }
  }
  return outcome;
}

}  // namespace troupe
