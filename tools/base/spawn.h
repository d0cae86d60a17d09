// Starting programs. Stateless functions, thread-safe.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct SpawnSpec {
  std::string program;            // a path, or a name that is looked up in our PATH
  std::vector<std::string> args;  // without the program's name
  std::vector<std::string> env;   // "NAME=value"; nothing else of ours is passed on
  std::string folder;             // where it starts; empty: this process's
  // Ours and the number by which the program knows it. All others should be close-on-exec.
  std::vector<std::pair<int, int>> descriptors;
};

// Starts a program in a process group of its own, which has its number, with no signal blocked or
// ignored. The caller waits for it. kToolFailed if it cannot be started.
absl::StatusOr<pid_t> SpawnInGroup(SpawnSpec spec);

}  // namespace troupe
