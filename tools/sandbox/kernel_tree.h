// KernelTree: the states of one kernel of a task, or of a room of it (tools/room.h). Running a cell
// never changes a state: it makes a new one, in a copy-on-write fork of the process that holds the
// state it starts from, with a copy of that state's folder. A cell that fails leaves nothing
// behind. So alternatives run side by side without seeing each other, and a state is always the sum
// of the cells on the way to it: when its process is gone (a crash, a restart, too many idle ones),
// the cells are run again.
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
#include <utility>
#include <vector>

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

struct CellRequest {
  std::string state;  // the new state's name, unique in the tree
  std::string from;   // "": the empty state
  std::string code;
  // Folders of states whose files count together against the task's limit, the tree's own among
  // them.
  std::vector<std::filesystem::path> folders;
  absl::Duration time_limit;
  CancelToken cancel;
};

struct CellResult {
  std::string status;            // "ok", "error", "timeout", "killed"
  Json outputs = Json::array();  // nbformat 4
  std::string from;              // the state it continued from
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
  // others). The head is the state that was made last, in whichever order they are recalled.
  void Recall(const std::string& state, const std::string& from, const std::string& code,
              int64_t recorded_end);
  // Lets go of states that are not needed any more, with their folders.
  void Discard(const std::string& state);
  // Forgets all states, with their files.
  void Clear();
  // Removes what cells of a cleared tree at rest left in the sandbox besides. Fails if something
  // may be left, or there is no sandbox: then nobody else may have it.
  AsyncStatus Clean();
  // Whether nothing runs in the sandbox and nothing is on the way into it.
  bool AtRest() const { return running_.empty() && !busy_; }
  bool started() const { return sandbox_ != nullptr; }
  // Goes on in the sandbox of a tree of the same task and language that was cleared and is at rest,
  // instead of starting its own: the folder that this shows becomes the one of this tree. Changes
  // nothing if it cannot be moved.
  void TakeSandbox(KernelTree& from);

  bool Has(const std::string& state) const { return states_.contains(state); }
  // The newest state; "" if there is none.
  const std::string& head() const { return head_.state; }
  const Workspace& workspace() const { return workspace_; }
  // The state's folder with its files, made again if they are not there. kNotFound for a state
  // that does not exist.
  Async<std::filesystem::path> FolderWithFiles(std::string state, CancelToken cancel);

  // States that keep a process, with when each was used last.
  std::vector<std::pair<absl::Time, std::string>> LiveStates() const;
  // Ends the process of a state, which is rebuilt when it is needed.
  void Rest(const std::string& state);

 private:
  struct State {
    std::string from;
    std::string code;
    std::shared_ptr<KernelProcess> process;  // null: to be rebuilt
    absl::Time used;
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
  Head head_;
  bool busy_ = false;  // a state is being made ready
  std::deque<std::shared_ptr<TurnWaiter>> turn_waiters_;
};

}  // namespace troupe
