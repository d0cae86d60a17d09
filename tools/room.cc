#include "tools/room.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownPath = 60;
constexpr char kRooms[] = "rooms";

bool IsPlain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

absl::Status FileError(const fs::path& path, const std::error_code& error) {
  return Error(Reason::kStoreFailed,
               fmt::format("making {} failed: {}", path.string(), error.message()));
}

}  // namespace

std::string RoomName(std::string_view path) {
  std::string name;
  for (const char c : path.substr(0, kShownPath)) {
    name.push_back(IsPlain(c) ? c : '_');
  }
  // The hash keeps apart what was cut off or replaced.
  return fmt::format("{}-{}", name, Sha256Hex(std::string(path)).substr(0, 12));
}

bool IsRoomName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), IsPlain);
}

std::string ArtifactInRoom(std::string_view room, std::string_view file) {
  return room.empty() ? std::string(file) : fmt::format("{}/{}", room, file);
}

std::filesystem::path ArtifactPath(const Workspace& task, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return task.artifacts() / name;
  return RoomIn(task, name.substr(0, slash)).artifacts() / name.substr(slash + 1);
}

Workspace RoomIn(const Workspace& task, std::string_view room) {
  if (room.empty() || task.root.empty()) return task;
  return {task.root / kRooms / room};
}

absl::Status PrepareRoom(const Workspace& task, std::string_view room) {
  const Workspace workspace = RoomIn(task, room);
  std::error_code error;
  if (workspace.root == task.root || fs::exists(workspace.root, error)) return absl::OkStatus();
  // Beside its place first: a room that is there is whole.
  const Workspace made{fs::path(workspace.root.string() + ".new")};
  fs::remove_all(made.root, error);
  // Always with the folder of inputs, whether the task's own is there yet or not.
  fs::create_directories(made.inputs(), error);
  if (error) return FileError(made.root, error);
  RETURN_IF_ERROR(ShareInputs(task, made));
  fs::rename(made.root, workspace.root, error);
  return error ? FileError(workspace.root, error) : absl::OkStatus();
}

absl::Status ShareInputs(const Workspace& from, const Workspace& to) {
  std::error_code error;
  if (!fs::exists(from.inputs(), error)) return absl::OkStatus();
  fs::create_directories(to.inputs(), error);
  if (error) return FileError(to.inputs(), error);
  for (const auto& entry : fs::directory_iterator(from.inputs(), error)) {
    const fs::path target = to.inputs() / entry.path().filename();
    std::error_code linked;
    fs::create_hard_link(entry.path(), target, linked);
    if (linked && linked != std::errc::file_exists) fs::copy_file(entry.path(), target, error);
    if (error) return FileError(entry.path(), error);
  }
  return error ? FileError(from.inputs(), error) : absl::OkStatus();
}

}  // namespace troupe
