// KernelTree: the states of one task's kernel. Running a cell never changes a state: it makes a new
// one, in a copy-on-write fork of the process that holds the state it starts from, with a copy of
// that state's folder. A cell that fails leaves nothing behind. So alternatives run side by side
// without seeing each other, and a state is always the sum of the cells on the way to it: when its
// process is gone (a crash, a restart, too many idle ones), the cells are run again.
//
// Rooms of a task (tools/room.h) share the kernel and no state: each has names and a newest state
// of its own.
//
// Thread-confined to its executor.
#pragma once

#include <absl/time/time.h>

#include <asio/any_io_executor.hpp>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/json.h"
#include "tools/sandbox/kernel_process.h"
#include "tools/sandbox/sandbox.h"
#include "tools/sandbox/sandbox_config.h"
#include "tools/tool.h"

namespace troupe {

// How to start a kernel of one language.
struct KernelLanguage {
  std::string name;                  // "python", "r"
  std::vector<std::string> command;  // inside the sandbox, without the settings
  std::vector<std::string> preload;
};

// The full name of a state of a room (tools/room.h), and the name that was given to it.
std::string StateInRoom(const std::string& room, const std::string& state);
std::string GivenName(const std::string& full_name);

struct CellRequest {
  std::string room;
  std::string state;  // the new state's full name, unique in the task
  std::string from;   // a full name; "": the empty state
  std::string code;
  absl::Duration time_limit;
  CancelToken cancel;
};

struct CellResult {
  std::string status;            // "ok", "error", "timeout", "killed"
  Json outputs = Json::array();  // nbformat 4
  std::string from;              // the state it continued from, by its full name
};

class KernelTree : public std::enable_shared_from_this<KernelTree> {
 public:
  // `shared_folders` are shown read-only under /troupe.
  KernelTree(const SandboxConfig& config, KernelLanguage language, Workspace workspace,
             std::vector<SandboxMount> shared_folders, uint64_t seed,
             asio::any_io_executor executor);
  ~KernelTree();

  // Runs a cell. A status only if the sandbox itself fails or `cancel` is set; kNotFound for a
  // state that does not exist, kAlreadyExists for a new one whose name is taken.
  Async<CellResult> Run(CellRequest request);

  // Notes a state whose cell ran in an earlier life and ended at `recorded_end` (0: after all
  // others). A room's head is its state that was made last, in whichever order they are recalled.
  void Recall(const std::string& room, const std::string& state, const std::string& from,
              const std::string& code, int64_t recorded_end);
  // Lets go of states that are not needed any more, with their folders.
  void Discard(const std::string& state);
  // Forgets all states of a room, which nothing else stands on.
  void ForgetRoom(const std::string& room);

  bool Has(const std::string& state) const { return states_.contains(state); }
  // The newest state of a room, by its full name; "" if it has none.
  std::string head(const std::string& room) const;
  // The state's folder with its files, made again if they are not there. kNotFound for a state
  // that does not exist.
  Async<std::filesystem::path> FolderWithFiles(std::string state, CancelToken cancel);

 private:
  struct State {
    std::string from;
    std::string code;
    std::shared_ptr<KernelProcess> process;  // null: to be rebuilt
    uint64_t used = 0;
  };

  struct TurnWaiter {
    Done<bool> done;
    std::atomic<bool> answered = false;
  };

  AsyncStatus StartSandbox();
  Async<std::shared_ptr<KernelProcess>> ForkFrom(std::shared_ptr<KernelProcess> parent,
                                                 CancelToken cancel);
  // The process that holds `state`, started or rebuilt if needed.
  Async<std::shared_ptr<KernelProcess>> Materialize(std::string state, CancelToken cancel);
  Async<CellResult> RunIn(std::shared_ptr<KernelProcess> process, std::string state,
                          std::string from, std::string code, absl::Duration limit,
                          CancelToken cancel);
  // Why the cell that `process` runs must end now, or "".
  std::string LimitReached(const KernelProcess& process, const std::string& state, int tick) const;
  // Kills what a cell that ended badly left behind: its orphans hang below other states' processes.
  // False if there was nothing.
  bool SweepStrays();
  size_t LiveStates() const;  // that have a process, as far as is known
  void EvictIdle();
  std::string FolderName(const std::string& state) const;
  std::filesystem::path FolderOf(const std::string& state) const;
  // Waits until no other state is being made ready, or `cancel`; EndTurn ends what it began.
  AsyncStatus TakeTurn(CancelToken cancel);
  void EndTurn();

  const SandboxConfig config_;
  const KernelLanguage language_;
  const Workspace workspace_;
  const std::vector<SandboxMount> shared_folders_;
  const uint64_t seed_;
  asio::any_io_executor executor_;
  uid_t user_ = 0;
  std::unique_ptr<Sandbox> sandbox_;
  std::shared_ptr<KernelProcess> root_;
  std::map<std::string, State> states_;
  std::vector<std::weak_ptr<KernelProcess>> processes_;  // of this sandbox
  std::multiset<pid_t> running_;                         // those that run a cell
  struct Head {
    std::string state;
    int64_t end = 0;  // when its cell ended, if that was in an earlier life
  };
  std::map<std::string, Head> heads_;  // by room
  uint64_t uses_ = 0;
  bool busy_ = false;  // a state is being made ready
  std::deque<std::shared_ptr<TurnWaiter>> turn_waiters_;
};

}  // namespace troupe
