// KernelProcess: one process that holds one state of a kernel, and the messages to it. Messages are
// a length of four bytes and JSON.
//
// Thread-confined to its executor.
#pragma once

#include <absl/time/time.h>

#include <asio/local/stream_protocol.hpp>
#include <deque>
#include <memory>

#include "tools/base/async.h"
#include "tools/base/file_descriptor.h"
#include "tools/base/json.h"
#include "tools/base/suspend.h"
#include "tools/sandbox/sandbox.h"

namespace troupe {

class KernelProcess : public std::enable_shared_from_this<KernelProcess> {
 public:
  // `channel` is our end. The process's id is learned from its first message.
  KernelProcess(asio::any_io_executor executor, FileDescriptor channel);
  // Kills the process, but not the states that were forked from it.
  ~KernelProcess();

  // Waits for the process's greeting. kSandboxFailed if it goes away instead or is late, or if the
  // process `keeper`, which started it, ends.
  AsyncStatus WaitForHello(absl::Duration patience, pid_t keeper = 0);
  // Makes a child that shares this one's memory copy-on-write.
  Async<std::shared_ptr<KernelProcess>> Fork();
  AsyncStatus Send(Json message);
  // The next message; kSandboxFailed if the process is gone.
  Async<Json> Receive();

  bool alive() const { return socket_.is_open() && Running(); }
  pid_t pid() const { return pid_; }
  // Whether the process is gone or has been killed and is about to go.
  bool Doomed() const;
  void Interrupt();  // as Control-C
  // Stops the process, and so the threads that its cell left running; it goes on only to fork.
  void Freeze();
  // Kills the process alone: what its cell started has ended with the cell, and what is below it
  // are other states.
  void Kill();
  // Kills the process while its cell runs, with all that the cell started.
  void KillWithCell();

 private:
  bool Running() const;

  asio::any_io_executor executor_;
  asio::local::stream_protocol::socket socket_;
  pid_t pid_ = 0;
  FileDescriptor pid_descriptor_;  // so that a reused id is never taken for the process
  bool frozen_ = false;
  bool forking_ = false;
  std::deque<Done<bool>> fork_waiters_;
};

// An error that IsGone tells from others.
absl::Status GoneError(std::string message);

// Whether `status` says that a process went away, which another in its place may not do.
bool IsGone(const absl::Status& status);
// Whether `status` says that there were too many processes, which will not last.
bool IsBusy(const absl::Status& status);

}  // namespace troupe
