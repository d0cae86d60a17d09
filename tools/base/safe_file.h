// Files named by untrusted code, inside a folder that it may write: never through a link, never
// outside. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <string>

namespace troupe {

// The bytes of a regular file below `folder`. kNotFound if there is none; kPermissionDenied for a
// path that leaves the folder or goes through a link; kInvalidField if it is over `max_bytes`.
absl::StatusOr<std::string> ReadBeneath(const std::filesystem::path& folder,
                                        const std::string& relative, int64_t max_bytes);

// Writes a file below `folder`, making the folders on the way, and its bytes to the disk; the same
// failures; nothing is left of a file that could not be written whole.
absl::Status WriteBeneath(const std::filesystem::path& folder, const std::string& relative,
                          const std::string& bytes);

// Writes what the system still holds back of a file, or a folder's list of names, to the disk.
absl::Status SyncToDisk(const std::filesystem::path& path);

// The media type that a file name's ending tells.
std::string MediaTypeOf(const std::string& name);

}  // namespace troupe
