// One step of a plan: trials side by side and one after another, and their aggregation.
// Thread-confined to the task's strand.
#pragma once

#include <string>

#include "agents/cellagent/roles.h"

namespace troupe {

struct FinishedStep {
  StepOutcome outcome;
  AcceptedCell cell;  // what goes to global memory; empty code if no trial ran
  std::string state;  // the kernel's state after it; `from` if no trial ran
};

// A status only for what stops the task; a step that nothing solved is an outcome with chosen 0.
Async<FinishedStep> RunStep(Scope scope, const Situation& situation, PlannedStep step,
                            std::string from);

}  // namespace troupe
