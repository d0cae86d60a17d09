// The files that a client gives to a task, stored before the task is accepted. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <filesystem>
#include <vector>

#include "tools/tool.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

// Makes the task's workspace and stores its input files there, durably; contents are then left out
// of `spec`. Nothing is made for a task without inputs. kAlreadyExists if the workspace exists;
// after any failure what was made is gone again.
absl::Status StoreInputs(const Workspace& workspace,
                         const std::vector<std::filesystem::path>& allowed_folders,
                         v1::TaskSpec& spec);

}  // namespace troupe
