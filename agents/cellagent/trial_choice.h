// Which trial of a step goes on. Where numbers do not decide, the judge of agents/compare does: it
// is shown the trials beside each other, in both orders, and not told which is which.
#pragma once

#include <string>
#include <vector>

#include "agents/cellagent/cellagent.h"
#include "agents/cellagent/roles.h"
#include "agents/runtime/scope.h"

namespace troupe {

struct ChosenTrial {
  const Trial* trial = nullptr;  // of those that were given; null: none ran
  std::string reason;
};

// The effects are below "choice" in `scope`; none if scores decide.
Async<ChosenTrial> ChooseTrial(const Scope& scope, const Situation& situation,
                               const PlannedStep& step, const std::vector<Trial>& trials);

}  // namespace troupe
