// ChildProcess: a program with pipes to its standard streams, in a process group of its own, so
// that what it starts ends with it. Thread-compatible.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "tools/base/file_descriptor.h"

namespace troupe {

struct ChildSpec {
  std::string command;  // a path, or a name that is looked up in PATH
  std::vector<std::string> args;
  std::map<std::string, std::string> env;  // on top of PATH, HOME and the like
  std::string cwd;                         // "": this process's
};

class ChildProcess {
 public:
  // kToolFailed if the program cannot be started.
  static absl::StatusOr<ChildProcess> Start(const ChildSpec& spec);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  // Kills what is left of the group and takes the exit status.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Readable when the process has ended.
  int exit_descriptor() const { return exit_.get(); }
  // Our ends, which the caller takes.
  FileDescriptor input;   // to its standard input
  FileDescriptor output;  // from its standard output
  FileDescriptor errors;  // from its standard error

  // To the whole group.
  void Signal(int signal) const;
  // Kills the group and waits for the process. How it ended: "exit code 1", "signal 9".
  std::string Reap();

 private:
  ChildProcess() = default;
  pid_t pid_ = 0;  // 0: taken by another, or reaped
  FileDescriptor exit_;
};

}  // namespace troupe
