// Optimization of a workflow: training with a trainer, then a test of the first and the best values
// on items that neither was made from.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/evaluate/evaluate.h"
#include "agents/trace/trainers/trainer.h"

namespace troupe {

struct OptimizeWorkflowOptions {
  GroundOptions ground;
  TrainerOptions trainer;
  std::vector<Item> test;  // empty: there is no test
};

struct OptimizeWorkflowOutcome {
  TrainingOutcome training;
  std::vector<TrainingCandidatePtr> candidates;  // by number from 1
  TrainingCandidatePtr best;                     // the first if nothing better was found
  // What the optimizer was shown when it made the best candidate, or else another; may be empty.
  std::string picture() const;
  std::vector<TrainingPoint> curve;
  int64_t runs = 0;
  // The variants "best" and "first" on the test items; only "first" where it is the best. None
  // without a test.
  std::optional<EvaluateOutcome> test;
  EvaluateOptions test_options;
  const TrainingCandidatePtr& first() const { return candidates.front(); }
};

// `optimizer` and `services` outlive it. A limit of the task ends it with what was found by then; a
// status is any other failure of the task.
Async<OptimizeWorkflowOutcome> OptimizeWorkflow(const Scope& task, OptimizeWorkflowOptions options,
                                                const GraphOptimizer* optimizer,
                                                const WorkflowServices* services);

}  // namespace troupe
