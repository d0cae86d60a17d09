// KernelHost: the kernels of all tasks, and the thread that speaks with them.
//
// Thread-safe.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <thread>
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
  using Key = std::pair<std::string, std::string>;  // task, language

  std::shared_ptr<KernelTree> Tree(const std::string& language, const ToolContext& context);
  Async<CellResult> RunHere(std::string language, ToolContext context, std::string state,
                            std::optional<std::string> from, std::string code);
  Async<std::filesystem::path> FindFolder(ToolContext context, std::string state);

  const SandboxConfig config_;
  const std::filesystem::path kernel_folder_;
  const std::vector<SandboxMount> shared_folders_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<Key, std::shared_ptr<KernelTree>> trees_;  // on io_ alone
  std::thread thread_;
};

}  // namespace troupe
