// Two optimizers to measure others against, on the same graphs: OPRO (arXiv 2309.03409), which sees
// values and feedback and nothing of the program, and TextGrad (arXiv 2406.07496), which asks a
// model at every step back through the program.
#pragma once

#include <optional>
#include <string>

#include "agents/trace/graph_optimizer.h"
#include "agents/trace/problem_text.h"

namespace troupe {

struct BaselineOptions {
  std::optional<double> temperature;
  std::optional<int64_t> max_tokens;
  ProblemLayout layout{.value_bytes = 2000, .section_bytes = 48'000};
  ValueRules rules;
};

// One call a step. It needs a memory to be of use: what it sees are the values that were tried.
class Opro : public GraphOptimizer {
 public:
  explicit Opro(BaselineOptions options) : options_(std::move(options)) {}
  Async<GraphProposal> Propose(const Scope& scope, std::string name, const Problem& problem,
                               const OptimizerState& state) const override;

 private:
  const BaselineOptions options_;
};

// A call for each input of each operation that leads from a variable to an output, from the outputs
// back, which says what is wrong with that input; then a call for each variable. kLimitReached for
// a program that would take over kMaxTextGradCalls.
inline constexpr int kMaxTextGradCalls = 500;
class TextGrad : public GraphOptimizer {
 public:
  explicit TextGrad(BaselineOptions options) : options_(std::move(options)) {}
  Async<GraphProposal> Propose(const Scope& scope, std::string name, const Problem& problem,
                               const OptimizerState& state) const override;

 private:
  Async<std::string> Criticise(const Scope& scope, std::string name, const Problem& problem,
                               NodeId operation, GraphInput input, std::string criticism) const;

  const BaselineOptions options_;
};

}  // namespace troupe
