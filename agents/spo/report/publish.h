// Puts the report of an SPO task among its artifacts.
#pragma once

#include <vector>

#include "agents/runtime/scope.h"
#include "tools/tool.h"
#include "troupe/v1/spo.pb.h"

namespace troupe {

// In a span "report" of the task, limits or not: what was paid for is told. A file that cannot be
// written is left out, so that the result is kept; a status is the task's own end (a person who
// cancels, a store that takes no writes).
Async<std::vector<Artifact>> PublishSpoReport(const Scope& task, const v1::SpoResult& result);

}  // namespace troupe
