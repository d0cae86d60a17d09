// The files that a fork or a replay finds in its workspace: the inputs, and the artifacts as the
// effects that it took over left them. Files of later effects do not come along; what write_file
// wrote and the states of kernels are made again by their tools (Tool::Recall). Stateless functions
// that may block on the disk.
#pragma once

#include <absl/status/status.h>

#include "agents/runtime/journal.h"
#include "server/scheduler/task_copy.h"
#include "tools/tool.h"

namespace troupe {

// Copies the artifacts that the results in `copy` tell of, each as it was last, and what it was
// before as its versions. One that is gone or was changed by hand is left out, with a line in the
// log.
absl::Status CopyArtifacts(const TaskCopy& copy, Journal& journal, const Workspace& from,
                           const Workspace& to);

}  // namespace troupe
