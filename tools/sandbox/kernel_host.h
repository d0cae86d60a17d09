// KernelHost: the kernels of all tasks, and the thread that speaks with them. A task has one of
// each language, and so has each of its rooms (tools/room.h): code sees no folder of another. The
// sandbox of a room that was left is the next one's.
//
// Thread-safe.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tools/sandbox/kernel_tree.h"

namespace troupe {

class KernelHost {
 public:
  // `kernel_folder` holds the kernels' programs; `shared_folders` are shown to all kernels.
  KernelHost(SandboxConfig config, std::filesystem::path kernel_folder,
             std::vector<SandboxMount> shared_folders);
  // Ends all kernels.
  ~KernelHost();

  const SandboxConfig& config() const { return config_; }

  // kSandboxFailed, saying what to install, if the machine lacks what the language needs.
  absl::Status CheckLanguage(const std::string& language) const;

  // Runs a cell in the task's kernel of a language, from the state `from`; no value: the head.
  // Names of states are those of the context's room.
  Async<CellResult> Run(std::string language, ToolContext context, std::string state,
                        std::optional<std::string> from, std::string code);
  void Recall(std::string language, ToolContext context, std::string state,
              std::optional<std::string> from, std::string code, int64_t recorded_end);
  void Discard(std::string language, ToolContext context, std::string state);
  // The folder of a state, whichever language made it, with the files that its cells made;
  // kNotFound if there is none.
  Async<std::filesystem::path> FolderOf(ToolContext context, std::string state);
  // Ends the task's kernels.
  void Forget(std::string task_id);
  // Lets go of the states of a room.
  void ForgetRoom(std::string task_id, std::string room);

 private:
  struct Key {
    std::string task;
    std::string room;
    std::string language;
    bool operator<(const Key& other) const {
      return std::tie(task, room, language) < std::tie(other.task, other.room, other.language);
    }
  };
  using Trees = std::map<Key, std::shared_ptr<KernelTree>>;

  std::shared_ptr<KernelTree> Tree(const std::string& language, const ToolContext& context);
  // Those of a task, by room and language.
  std::pair<Trees::iterator, Trees::iterator> TreesOf(const std::string& task_id);
  // Gives a room that has no sandbox yet one that was left. Languages of a room share its folder,
  // and a folder can be handed on only where one sandbox shows it.
  void FurnishRoom(KernelTree& tree, const std::string& language, const ToolContext& context);
  // Cleans the sandbox of a room that was left, for the next one.
  AsyncStatus HandOn(Key key, std::shared_ptr<KernelTree> tree);
  int LanguagesAtWork(const std::string& task_id, const std::string& room);
  // Lets the states of a task that were used the longest ago rest, beyond those that may keep a
  // process. A kernel's newest state is spared: the next cell will want it.
  void RestIdleStates(const std::string& task_id);
  Async<CellResult> RunHere(std::string language, ToolContext context, std::string state,
                            std::optional<std::string> from, std::string code);
  Async<std::filesystem::path> FindFolder(ToolContext context, std::string state);

  const SandboxConfig config_;
  const std::filesystem::path kernel_folder_;
  const std::vector<SandboxMount> shared_folders_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Trees trees_;  // on io_ alone
  // Sandboxes of rooms that were left, by task and language (with no room); on io_ alone.
  std::map<Key, std::vector<std::shared_ptr<KernelTree>>> left_;
  std::thread thread_;
};

}  // namespace troupe
