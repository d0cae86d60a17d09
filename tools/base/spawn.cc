#include "tools/base/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/base/error.h"
#include "tools/base/file_descriptor.h"

namespace troupe {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

class Actions {
 public:
  Actions() { posix_spawn_file_actions_init(&actions_); }
  ~Actions() { posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigemptyset(&none);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

}  // namespace

absl::StatusOr<pid_t> SpawnInGroup(SpawnSpec spec) {
  const auto failed = [&](std::string_view doing, int error) {
    return Error(Reason::kToolFailed,
                 fmt::format("{} cannot be started: {}: {}", spec.program, doing, strerror(error)),
                 {{"command", spec.program}});
  };
  int highest = 2;
  for (const auto& [ours, its] : spec.descriptors) highest = std::max(highest, its);
  Actions actions;
  std::vector<FileDescriptor> sources;
  sources.reserve(spec.descriptors.size());
  for (const auto& [ours, its] : spec.descriptors) {
    // Above all that the program gets: none is overwritten before it was handed on, and one that
    // had its number already would be left close-on-exec.
    sources.emplace_back(fcntl(ours, F_DUPFD_CLOEXEC, highest + 1));
    if (!sources.back().valid()) return failed("dup", errno);
    posix_spawn_file_actions_adddup2(actions.get(), sources.back().get(), its);
  }
  if (!spec.folder.empty()) {
    posix_spawn_file_actions_addchdir_np(actions.get(), spec.folder.c_str());
  }
  Attributes attributes;
  std::vector<std::string> args = std::move(spec.args);
  args.insert(args.begin(), spec.program);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, spec.program.c_str(), actions.get(), attributes.get(),
                                 Pointers(args).data(), Pointers(spec.env).data());
  if (error != 0) return failed("posix_spawn", error);
  return pid;
}

}  // namespace troupe
