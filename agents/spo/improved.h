// SPO as we do it: fresh questions each round, challengers side by side, votes in both orders that
// end as soon as they are decided, and a final tournament on questions that nobody has seen.
#pragma once

#include "agents/spo/spo.h"

namespace troupe {

Async<SpoOutcome> RunImproved(Scope& task, SpoOptions options, SpoRoles roles);

}  // namespace troupe
