// The optimizer as a model, the allowance by the task's ledger, and what a model writes where a
// user gave no requirements or questions.
#pragma once

#include <string>
#include <vector>

#include "agents/spo/roles.h"

namespace troupe {

class ModelOptimizer : public Optimizer {
 public:
  // kTags: the published XML tags, for one prompt. kJson: a reply by a schema, for several.
  enum class Form { kJson, kTags };
  explicit ModelOptimizer(Form form) : form_(form) {}
  Async<std::vector<Proposal>> Propose(const Scope& scope, std::string name,
                                       ProposalRequest request) const override;

 private:
  const Form form_;
};

// The calls that fit what is left, at what calls have cost so far on average.
class LedgerAllowance : public Allowance {
 public:
  std::optional<int64_t> CallsLeft(const Scope& scope) const override;
};

struct Draft {
  std::string prompt;
  std::string requirements;
  std::vector<std::string> questions;
};

// Writes what a prompt for `description` needs, with `questions` questions; the effect is "draft"
// in `scope`, of the role optimizer.
Async<Draft> WriteDraft(const Scope& scope, std::string description, int questions);

}  // namespace troupe
