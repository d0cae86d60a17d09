// GraphOptimizer: what proposes new values of parameters from a problem, that trainers and the
// optimizer service use. Implementations are OptoPrime and its kin; they hold no state: what is to
// be known in the next step is in OptimizerState, which its owner keeps.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "agents/runtime/scope.h"
#include "agents/trace/new_values.h"
#include "agents/trace/problem.h"
#include "tools/base/async.h"

namespace troupe {

inline constexpr size_t kDefaultMemory = 5;
inline constexpr size_t kMaxMemory = 100;

// What an optimizer knows from the steps before.
struct OptimizerState {
  struct Past {
    Json variables;  // by name, as they were
    std::string feedback;
  };
  std::deque<Past> memory;       // the oldest first
  std::vector<Refusal> refused;  // in the last step
  std::string context;           // what else whoever trains wants it to know; may be empty

  Json ToJson() const;
  // What is not as ToJson writes it is left out.
  static OptimizerState FromJson(const Json& json);
};

struct GraphProposal {
  std::vector<Change> changes;
  std::vector<Refusal> refused;
  std::string reasoning;
  std::string answer;
  bool finished = false;  // it says that nothing is left to change
};

class GraphOptimizer {
 public:
  virtual ~GraphOptimizer() = default;

  // Proposes; nothing is applied: whoever called may take the proposal or leave it. Effects are
  // named `name` and what is below. `problem` and `state` outlive the call. A reply of the model
  // that cannot be used is a proposal without changes, with the reason among `refused`; a status is
  // a failure of the model or a limit.
  virtual Async<GraphProposal> Propose(const Scope& scope, std::string name, const Problem& problem,
                                       const OptimizerState& state) const = 0;
};

// The state for the next step: the variables and the feedback of this one are remembered, at most
// `size` of them.
void Remember(const Problem& problem, const GraphProposal& proposal, size_t size,
              OptimizerState& state);

}  // namespace troupe
