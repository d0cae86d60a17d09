// TaskFolders: the folders of tasks' files, which come before the store knows the task and go after
// it has forgotten it. A note in passing/ is there meanwhile, so that what a killed server left is
// told from the files of tasks that another store knows: those are never removed. Thread-safe, for
// one caller a task at a time.
#pragma once

#include <absl/status/status.h>

#include <filesystem>
#include <functional>
#include <string>

namespace troupe {

class TaskFolders {
 public:
  explicit TaskFolders(const std::filesystem::path& data_folder);

  std::filesystem::path Of(const std::string& id) const { return tasks_ / id; }

  // Before files are made of a task that the store does not know yet, or it forgets one.
  void Begin(const std::string& id) const;
  // The store knows the task.
  void Keep(const std::string& id) const;
  // The store does not: its files go.
  void Drop(const std::string& id) const;

  // When the server starts: drops what was passing, and puts aside, into lost/, what else the store
  // does not know. `find` is the outcome of looking a task up.
  void Settle(const std::function<absl::Status(const std::string& id)>& find) const;

 private:
  void PutAside(const std::filesystem::path& folder) const;

  const std::filesystem::path tasks_;
  const std::filesystem::path passing_;
  const std::filesystem::path lost_;
};

}  // namespace troupe
