// Whether a submitted task can run: names, sizes, limits. Stateless functions.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "agents/runtime/permissions.h"
#include "troupe/v1/task_service.pb.h"

namespace troupe {

// The name of the field set in spec.kind; empty if none is.
std::string KindName(const v1::TaskSpec& spec);

// kInvalidField, naming the field, for the first thing that is wrong with what all kinds share.
absl::Status CheckRequestId(const std::string& request_id);
absl::Status CheckTaskId(const std::string& task_id);
absl::Status CheckSharedFields(const v1::TaskSpec& spec,
                               const std::vector<std::filesystem::path>& allowed_folders);

// The task's own rules for calls of tools; kInvalidField, naming the field, for one that is wrong.
absl::StatusOr<PermissionRules> PermissionsOf(const v1::TaskSpec& spec);

// A path with its links resolved, if it lies in one of the folders; kPermissionDenied otherwise.
absl::StatusOr<std::filesystem::path> AllowedInput(
    const std::string& path, const std::vector<std::filesystem::path>& allowed_folders,
    const std::string& field = "spec.inputs.path");

}  // namespace troupe
