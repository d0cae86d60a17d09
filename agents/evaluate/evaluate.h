// Evaluation: every variant of a prompt is run on every item, side by side; answers are graded,
// counted with intervals, and variants compared in pairs of the same items.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/evaluate/grader.h"
#include "agents/evaluate/item_reader.h"
#include "agents/evaluate/statistics.h"
#include "agents/evaluate/target.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/usage.h"
#include "tools/base/async.h"

namespace troupe {

struct EvaluatedVariant {
  std::string name;
  PromptUnderTest prompt;
  std::string registered;  // the registered prompt that its text is a template of; may be empty
};

// A variant of an earlier evaluation, by item.
struct EvaluationBaseline {
  std::string name;
  std::vector<int32_t> numbers;  // of items, ascending
  std::vector<double> scores;
  std::vector<bool> passes;
};

struct EvaluateOptions {
  std::shared_ptr<const Target> target;
  std::vector<EvaluatedVariant> variants;  // at least one
  GraderSet graders;
  int concurrency = 16;
  int repeats = 1;
  double confidence = 0.95;
  std::vector<EvaluationBaseline> baselines;  // the variants of an earlier evaluation
};

// One run: a variant on an item.
struct EvaluatedRun {
  int32_t item_number = 0;
  std::string item_id;
  size_t variant = 0;
  int repeat = 1;
  std::string question;  // its beginning
  std::string expected;  // likewise
  std::string answer;    // beginning and end
  double score = 0;
  bool passed = false;
  std::vector<GivenGrade> grades;
  std::string error;  // why it failed; empty: it did not
  Usage usage;        // without graders
  Usage grading;
  std::string path;
  std::vector<v1::Artifact> artifacts;  // that the run left
};

struct GraderMean {
  std::string name;
  double score = 0;
  double pass_rate = 0;
};

// What one variant came to, over the items with all their runs done.
struct VariantOutcome {
  std::vector<int32_t> numbers;  // of items, ascending
  std::vector<double> scores;
  std::vector<bool> passes;
  int failed_runs = 0;
  ConfidenceInterval pass_rate;
  ConfidenceInterval score;
  std::vector<GraderMean> graders;
  Usage usage;
  Usage grading;
  absl::Duration latency_median;
  absl::Duration latency_p95;
};

// Two variants on the items that both have; `wins` are the left one's.
struct VariantComparison {
  std::string left;
  std::string right;
  int pairs = 0;
  int only_left_passed = 0;
  int only_right_passed = 0;
  double mcnemar_p = 1;
  int wins = 0;
  int ties = 0;
  int losses = 0;
  double sign_p = 1;
  ConfidenceInterval difference;  // of scores, left minus right
  int better = 0;  // 1: the left one with significance; -1: the right one; 0: neither
};

struct EvaluateOutcome {
  std::vector<EvaluatedRun> runs;  // that were done, by item, variant and repeat
  std::vector<VariantOutcome> variants;
  std::vector<VariantComparison> comparisons;  // the first with the second ...; with the baselines
  absl::Status stopped;  // the limit that was reached; OkStatus if all was done
};

// Runs the items that `items` reads. A task that a limit stops has what was done by then. Fails
// with what the first runs failed with if all of the first three did: then nothing is to be had.
Async<EvaluateOutcome> RunEvaluation(Scope& task, std::shared_ptr<ItemReader> items,
                                     EvaluateOptions options);

// The part of it that is counting: `seed` is of the bootstrap.
EvaluateOutcome SumUpRuns(std::vector<EvaluatedRun> runs, const EvaluateOptions& options,
                          uint64_t seed);

}  // namespace troupe
