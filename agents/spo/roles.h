// The roles of SPO: the seams through which its algorithm is driven, by models or by a simulation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/compare/opinions.h"
#include "agents/evaluate/target.h"
#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

// A question with an answer to it.
struct Answered {
  std::string question;
  std::string answer;
  std::string reference;  // the right answer, or its shape; may be empty
};

// A change that was tried before.
struct Attempt {
  std::string modification;
  std::string outcome;  // why it was rejected
};

// A prompt that is wanted with changes that were tried in others.
struct Join {
  std::vector<Attempt> add;
  std::vector<Attempt> take_out;  // of those that the prompt to be improved has
};

struct ProposalRequest {
  std::string requirements;
  std::string prompt;  // to be improved
  std::vector<Answered> answers;
  int prompt_words = 0;             // 0: not limited
  size_t prompt_bytes = 0;          // likewise
  int number = 1;                   // prompts wanted with a new change, each with another one
  std::vector<std::string> places;  // of a template: the variables it is filled by; empty: none
  std::vector<Attempt> failures;
  std::vector<Join> joins;  // prompts wanted beside those
};

struct Proposal {
  std::string prompt;
  std::string analysis;
  std::string modification;
  size_t join = 0;  // which of the joins it is, from 1; 0: it has a new change
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One call; the effect is `name` in `scope`. Fewer proposals than asked for, or empty prompts,
  // are what a model may do; a status is a call that failed.
  virtual Async<std::vector<Proposal>> Propose(const Scope& scope, std::string name,
                                               ProposalRequest request) const = 0;
};

// What the task may still spend, in calls of models; none: as many as it likes. Asked while no
// branch is at work, so that it is the same in every run.
class Allowance {
 public:
  virtual ~Allowance() = default;
  virtual std::optional<int64_t> CallsLeft(const Scope& scope) const = 0;
};

struct SpoRoles {
  const Optimizer* optimizer = nullptr;
  const Target* executor = nullptr;
  const Opinions* evaluator = nullptr;
  const Allowance* allowance = nullptr;
};

inline constexpr char kOptimizer[] = "optimizer";
inline constexpr char kExecutor[] = "executor";
inline constexpr char kEvaluator[] = "evaluator";

// The published temperatures.
inline constexpr double kOptimizerTemperature = 0.7;
inline constexpr double kExecutorTemperature = 0;
inline constexpr double kEvaluatorTemperature = 0.3;

}  // namespace troupe
