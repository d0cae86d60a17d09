// SPO as it was published: hill climbing on a few fixed questions. With its defaults (10 rounds, 3
// questions, 4 votes) it makes 9 + 30 + 36 = 75 calls.
#pragma once

#include "agents/spo/spo.h"

namespace troupe {

Async<SpoOutcome> RunFaithful(Scope& task, SpoOptions options, SpoRoles roles);

}  // namespace troupe
