#include "server/scheduler/task_folders.h"

#include <spdlog/spdlog.h>

#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

namespace troupe {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> EntriesOf(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
  return entries;
}

}  // namespace

TaskFolders::TaskFolders(const fs::path& data_folder)
    : tasks_(data_folder / "tasks"),
      passing_(data_folder / "passing"),
      lost_(data_folder / "lost") {}

void TaskFolders::Begin(const std::string& id) const {
  std::error_code error;
  fs::create_directories(passing_, error);
  std::ofstream note(passing_ / id);
}

void TaskFolders::Keep(const std::string& id) const {
  std::error_code error;
  fs::remove(passing_ / id, error);
}

void TaskFolders::Drop(const std::string& id) const {
  std::error_code error;
  fs::remove_all(Of(id), error);
  Keep(id);
}

void TaskFolders::PutAside(const fs::path& folder) const {
  std::error_code error;
  fs::create_directories(lost_, error);
  fs::path to = lost_ / folder.filename();
  for (int i = 2; fs::exists(to, error); ++i) {
    to = lost_ / (folder.filename().string() + "." + std::to_string(i));
  }
  fs::rename(folder, to, error);
  spdlog::warn("{}: the store knows no such task; {}", folder.string(),
               error ? error.message() : "its files are in " + to.string());
}

void TaskFolders::Settle(const std::function<absl::Status(const std::string& id)>& find) const {
  for (const fs::path& note : EntriesOf(passing_)) {
    const absl::Status found = find(note.filename());
    if (found.ok()) Keep(note.filename());
    if (absl::IsNotFound(found)) Drop(note.filename());
  }
  for (const fs::path& folder : EntriesOf(tasks_)) {
    if (absl::IsNotFound(find(folder.filename()))) PutAside(folder);
  }
}

}  // namespace troupe
