#include "tools/mcp/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "tools/base/error.h"
#include "tools/base/spawn.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// What a program gets of our environment: enough to be found and to find its home, no keys.
constexpr const char* kInherited[] = {"PATH",  "HOME", "LANG",   "LC_ALL", "LOGNAME",       "USER",
                                      "SHELL", "TERM", "TMPDIR", "TZ",     "XDG_CACHE_HOME"};

absl::Status Failed(const ChildSpec& spec, std::string_view what, int error) {
  return Error(Reason::kToolFailed,
               fmt::format("{} cannot be started: {}: {}", spec.command, what, strerror(error)),
               {{"command", spec.command}});
}

// Both ends close when another program is started.
absl::Status MakePipe(const ChildSpec& spec, FileDescriptor& read_end, FileDescriptor& write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed(spec, "pipe", errno);
  read_end = FileDescriptor(ends[0]);
  write_end = FileDescriptor(ends[1]);
  return absl::OkStatus();
}

std::vector<std::string> Environment(const ChildSpec& spec) {
  std::map<std::string, std::string> variables = spec.env;
  for (const char* name : kInherited) {
    if (const char* value = std::getenv(name); value != nullptr) variables.emplace(name, value);
  }
  std::vector<std::string> lines;
  lines.reserve(variables.size());
  for (const auto& [name, value] : variables) lines.push_back(fmt::format("{}={}", name, value));
  return lines;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const ChildSpec& spec) {
  ChildProcess child;
  FileDescriptor its_input;
  FileDescriptor its_output;
  FileDescriptor its_errors;
  RETURN_IF_ERROR(MakePipe(spec, its_input, child.input));
  RETURN_IF_ERROR(MakePipe(spec, child.output, its_output));
  RETURN_IF_ERROR(MakePipe(spec, child.errors, its_errors));

  ASSIGN_OR_RETURN(
      child.pid_,
      SpawnInGroup(
          {.program = spec.command,
           .args = spec.args,
           .env = Environment(spec),
           .folder = spec.cwd,
           .descriptors = {{its_input.get(), 0}, {its_output.get(), 1}, {its_errors.get(), 2}}}));
  child.exit_ = FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.exit_.valid()) return Failed(spec, "pidfd_open", errno);
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : input(std::move(other.input)),
      output(std::move(other.output)),
      errors(std::move(other.errors)),
      pid_(std::exchange(other.pid_, 0)),
      exit_(std::move(other.exit_)) {}

ChildProcess::~ChildProcess() { Reap(); }

void ChildProcess::Signal(int signal) const {
  if (pid_ > 0) kill(-pid_, signal);
}

std::string ChildProcess::Reap() {
  if (pid_ <= 0) return "";
  // Before the exit status is taken: until then the group's number is nobody else's.
  kill(-pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace troupe
