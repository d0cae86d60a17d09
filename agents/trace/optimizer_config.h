// Optimizers as their settings in messages ask for them. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <memory>
#include <string_view>

#include "agents/trace/graph_optimizer.h"
#include "agents/trace/problem.h"

namespace troupe::v1 {
class OptimizerCandidates;
class OptimizerConfig;
}  // namespace troupe::v1

namespace troupe {

// kInvalidField, whose "field" is `field` and what is in it.
absl::Status CheckOptimizerConfig(const v1::OptimizerConfig& config, std::string_view field);

// The same of the candidates alone.
absl::Status CheckOptimizerCandidates(const v1::OptimizerCandidates& candidates,
                                      std::string_view field);

// Of a config that is checked.
std::shared_ptr<const GraphOptimizer> MakeGraphOptimizer(const v1::OptimizerConfig& config);
ProblemOptions ProblemOptionsOf(const v1::OptimizerConfig& config);
size_t MemoryOf(const v1::OptimizerConfig& config);

}  // namespace troupe
