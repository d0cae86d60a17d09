// One trial of a step: select, program, run, evaluate. Thread-confined to the task's strand.
#pragma once

#include <string>
#include <vector>

#include "agents/cellagent/roles.h"

namespace troupe {

// Programs and runs until the code runs or the attempts are used up, then evaluates. The kernel
// continues from `from`. A trial whose code never ran is returned as well (`ran` false); a status
// only for what stops the task.
Async<Trial> RunTrial(Scope scope, const Situation& situation, PlannedStep step, Approach approach,
                      int number, std::string from, std::vector<std::string> remarks);

// What a call of a kernel printed.
std::string PrintedText(const ToolResult& result);
// The last line that a call of a kernel printed, as JSON.
absl::StatusOr<Json> PrintedJson(const ToolResult& result);

}  // namespace troupe
