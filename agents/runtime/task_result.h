// What all kinds of task say alike of how they ended. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <vector>

#include "tools/tool.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

// Whether the status is a limit of the task's budget or time, after which what was done is kept.
bool IsLimit(const absl::Status& status);

// Whether what failed with `status` is a piece of work that could not be done (a model that
// refuses, an agent or code that fails), beside which others go on; else the task itself has no
// future.
bool IsFailureOfRun(const absl::Status& status);

// COMPLETED for OkStatus, else which limit it was.
v1::TaskResult::StopReason StopReasonOf(const absl::Status& stopped);

// Why a task is STOPPED that says so itself and ran into no limit: its last allowed call was its
// answer, or it made no progress.
absl::Status ErrorOf(v1::TaskResult::StopReason reason);

void AddArtifacts(const std::vector<Artifact>& artifacts, v1::TaskResult& result);

}  // namespace troupe
