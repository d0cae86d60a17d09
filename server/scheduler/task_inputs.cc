#include "server/scheduler/task_inputs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "server/scheduler/check_spec.h"
#include "tools/base/error.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

absl::Status NotStored(const std::string& name, const std::error_code& error) {
  return Error(Reason::kStoreFailed,
               fmt::format("the input {} could not be stored: {}", name, error.message()));
}

absl::Status StoreInput(const std::filesystem::path& folder,
                        const std::vector<std::filesystem::path>& allowed_folders,
                        v1::InputFile& input) {
  const auto file = folder / input.name();
  std::error_code error;
  if (input.source_case() == v1::InputFile::kPath) {
    ASSIGN_OR_RETURN(const auto source, AllowedInput(input.path(), allowed_folders));
    std::filesystem::copy_file(source, file, error);
  } else {
    std::ofstream stream(file, std::ios::binary);
    stream << input.content();
    stream.close();
    if (!stream) error = std::make_error_code(std::errc::io_error);
    input.set_content("");
  }
  return error ? NotStored(input.name(), error) : SyncToDisk(file);
}

absl::Status StoreAll(const std::filesystem::path& folder,
                      const std::vector<std::filesystem::path>& allowed_folders,
                      v1::TaskSpec& spec) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) return NotStored("folder", error);
  for (v1::InputFile& input : *spec.mutable_inputs()) {
    RETURN_IF_ERROR(StoreInput(folder, allowed_folders, input));
  }
  RETURN_IF_ERROR(SyncToDisk(folder));
  RETURN_IF_ERROR(SyncToDisk(folder.parent_path()));
  return SyncToDisk(folder.parent_path().parent_path());
}

}  // namespace

absl::Status StoreInputs(const Workspace& workspace,
                         const std::vector<std::filesystem::path>& allowed_folders,
                         v1::TaskSpec& spec) {
  if (spec.inputs().empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(workspace.root.parent_path(), error);
  // Two submissions of one id at once: the folder is the first one's alone.
  const bool made = std::filesystem::create_directory(workspace.root, error);
  if (error) return NotStored("folder", error);
  if (!made) {
    const std::string name = "tasks/" + workspace.root.filename().string();
    return Error(Reason::kAlreadyExists, fmt::format("the task '{}' exists", name),
                 {{"field", "task_id"}, {"name", name}});
  }
  const absl::Status stored = StoreAll(workspace.inputs(), allowed_folders, spec);
  if (!stored.ok()) std::filesystem::remove_all(workspace.root, error);
  return stored;
}

}  // namespace troupe
