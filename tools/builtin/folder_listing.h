// Lists folders that untrusted code may write: never through a link, never outside. Stateless.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <string>
#include <vector>

namespace troupe {

struct ListedFile {
  std::string path;  // relative to the root
  std::string type;  // file, folder, link, other
  int64_t size_bytes = 0;
};

// What is in `relative` below `root` ("." for the root itself), by path, `limit` entries at most.
// kNotFound if there is no such folder; kPermissionDenied for a path that leaves the root or goes
// through a link.
absl::StatusOr<std::vector<ListedFile>> ListBeneath(const std::filesystem::path& root,
                                                    const std::string& relative, bool recursive,
                                                    size_t limit);

}  // namespace troupe
