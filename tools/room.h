// Rooms: parts of a task whose files and states of kernels the rest of it does not see, as for runs
// of an agent side by side. A room has a workspace of its own within the task's, with the same
// inputs. Stateless functions; those that touch the disk may block on it.
#pragma once

#include <absl/status/status.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "tools/tool.h"

namespace troupe {

// What the room of the span with this path is called: [A-Za-z0-9_-]+, different for every path.
std::string RoomName(std::string_view path);

// Where the files of a room are; without a name, of the task itself.
Workspace RoomIn(const Workspace& task, std::string_view room);

// What an artifact of a room is called outside of it, "{room}/{file}"; without a room its own name.
std::string ArtifactInRoom(std::string_view room, std::string_view file);

// Where the artifact of this name, as ArtifactInRoom makes it, is.
std::filesystem::path ArtifactPath(const Workspace& task, std::string_view name);

// Whether RoomName could have made `name`; it is safe as a folder's name then.
bool IsRoomName(std::string_view name);

// Makes the room's folder, with the task's inputs in it. Changes nothing if it is there.
absl::Status PrepareRoom(const Workspace& task, std::string_view room);

// Inputs never change: both workspaces name the same files, where the file system can do that.
absl::Status ShareInputs(const Workspace& from, const Workspace& to);

}  // namespace troupe
