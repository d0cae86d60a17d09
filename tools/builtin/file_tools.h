// The tools that see the task's workspace: list_files, read_file, write_file. Nothing outside is
// reachable, through links or otherwise. Thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "tools/tool.h"

namespace troupe {

// inputs/... is read-only; files/... is the agents' own; artifacts/... what was published.
std::vector<std::shared_ptr<Tool>> MakeFileTools();

}  // namespace troupe
