// What an OptimizeWorkflowSpec says, checked. Stateless functions; kInvalidField names the field
// below "spec.optimize_workflow".
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "agents/evaluate/dataset_source.h"
#include "agents/evaluate/grader.h"
#include "agents/evaluate/item_reader.h"
#include "agents/trace/trainers/trainer.h"
#include "troupe/v1/optimize_workflow.pb.h"

namespace troupe {

absl::Status WrongOptimize(std::string_view field, std::string_view what);

// Where the selection of items with this name is in a request.
std::string SelectionPlace(std::string_view name);

// All fields that are numbers, texts and choices.
absl::Status CheckOptimizeNumbers(const v1::OptimizeWorkflowSpec& spec);

// The data sets, the graders and the inputs, as they are now.
absl::Status CheckOptimizeItems(const v1::OptimizeWorkflowSpec& spec,
                                const DatasetSource& datasets);

absl::StatusOr<GraderSet> OptimizeGraders(const v1::OptimizeWorkflowSpec& spec);
// The optimizer that is asked for: what MakeGraphOptimizer takes. Code is parsed before it is taken
// if the trainable code is of one language.
v1::OptimizerConfig OptimizerConfigOf(const v1::OptimizeWorkflowSpec& spec);

TrainerOptions TrainerOptionsOf(const v1::OptimizeWorkflowSpec& spec);

}  // namespace troupe
