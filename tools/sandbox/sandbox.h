// Sandbox: a process in bubblewrap, cut off from the network, from the file system but for what it
// is shown, and from everything else that runs. When this is destroyed, all in it are killed.
//
// Thread-compatible.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tools/base/file_descriptor.h"
#include "tools/sandbox/sandbox_config.h"

namespace troupe {

struct SandboxMount {
  std::filesystem::path outside;
  std::string inside;
  bool writable = false;
};

struct SandboxSpec {
  std::vector<std::string> command;  // run inside; finds its channel at descriptor 3
  std::vector<SandboxMount> mounts;  // besides the system's read-only folders
  std::string working_folder;        // inside
};

class Sandbox {
 public:
  // Starts the command. kSandboxFailed, saying what to do, if bubblewrap is missing. Whether the
  // command itself starts shows on the channel, which closes if it does not.
  static absl::StatusOr<std::unique_ptr<Sandbox>> Start(const SandboxConfig& config,
                                                        const SandboxSpec& spec);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // Our end of the channel, a Unix stream socket; taken once.
  FileDescriptor TakeChannel() { return std::move(channel_); }
  pid_t pid() const { return pid_; }
  // What bubblewrap said before it gave up; for errors.
  std::string Complaint() const;

 private:
  Sandbox(pid_t pid, FileDescriptor channel, FileDescriptor log)
      : pid_(pid), channel_(std::move(channel)), log_(std::move(log)) {}

  pid_t pid_;
  FileDescriptor channel_;
  FileDescriptor log_;
};

// The user that code in sandboxes runs as when the server runs as root: one of its own for each
// sandbox, so that limits and signals of one do not touch another. 0: the server's own.
uid_t NewSandboxUser();

// Makes `folder` and gives it to the sandbox's user.
absl::Status MakeFolderFor(const std::filesystem::path& folder, uid_t user);

// Kills a process and all below it.
void KillTree(pid_t root);

// The processes below `root`, itself first. What is below a process of `opaque` is left out.
std::vector<pid_t> ProcessTree(pid_t root, const std::set<pid_t>& opaque = {});

// What a process and all below it use. Pages that they share are counted once for each, and shared
// out only where the memory would be more than `enough`.
struct TreeUsage {
  int processes = 0;
  int64_t resident_bytes = 0;
};
TreeUsage UsageOfTree(pid_t root, int64_t enough);

// Bytes of all files below a folder; links are not followed. Stops counting at `enough`.
int64_t FolderBytes(const std::filesystem::path& folder, int64_t enough);

}  // namespace troupe
