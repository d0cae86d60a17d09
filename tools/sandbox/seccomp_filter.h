// The system calls that code in a sandbox cannot make. Stateless.
#pragma once

#include <absl/status/statusor.h>

#include "tools/base/file_descriptor.h"

namespace troupe {

// A file with the filter's program, as bubblewrap's --seccomp takes it. It refuses (EPERM) what
// makes namespaces and mounts, memory that no limit counts, a look into other processes, and what
// only administrators need; all else is allowed. Empty on machines for which there is no filter.
// kSandboxFailed if the file cannot be made.
absl::StatusOr<FileDescriptor> MakeSeccompFilter();

}  // namespace troupe
