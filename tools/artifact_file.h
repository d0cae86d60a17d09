// Files that a task hands out, as tools put them into its workspace. What a name stood for before
// is kept (in versions/, by its SHA-256) when a tool writes the name again, so that a fork from an
// earlier moment finds the files as they were then. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "tools/tool.h"

namespace troupe {

// Writes `bytes` as the artifact `name`. The failures of WriteBeneath.
absl::StatusOr<Artifact> PutArtifact(const Workspace& workspace, std::string name,
                                     std::string description, const std::string& bytes);

// The bytes that `name` stood for when they had this SHA-256, now or before. kNotFound if they are
// gone: someone else than a tool changed the file.
absl::StatusOr<std::string> ReadArtifactVersion(const Workspace& workspace, const std::string& name,
                                                const std::string& sha256);

}  // namespace troupe
