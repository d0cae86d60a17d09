// ToolCatalogue: the tools that providers served, kept in a file, so that a server that was started
// again knows them before their providers are back: a task that goes on finds the tools it began
// with. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <vector>

#include "tools/tool.h"

namespace troupe {

struct KnownTool {
  ToolSpec spec;
  absl::Time last_seen;
};

// Those seen lately; none if there is no file. A damaged file is an error that says so.
absl::StatusOr<std::vector<KnownTool>> ReadToolCatalogue(const std::filesystem::path& file);
absl::Status WriteToolCatalogue(const std::filesystem::path& file,
                                const std::vector<KnownTool>& tools);

}  // namespace troupe
