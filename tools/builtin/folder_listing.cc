#include "tools/builtin/folder_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

struct DirCloser {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, DirCloser>;

absl::StatusOr<Folder> OpenFolder(const std::filesystem::path& root, const std::string& relative) {
  const int top = open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = -1;
  int error = errno;
  if (top >= 0) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    fd = static_cast<int>(syscall(SYS_openat2, top, relative.c_str(), &how, sizeof(how)));
    error = errno;
    close(top);
  }
  if (fd >= 0) return Folder(fdopendir(fd));
  const bool outside = error == EXDEV || error == ELOOP;
  return Error(outside ? Reason::kPermissionDenied : Reason::kNotFound,
               outside ? fmt::format("'{}' leads out of the workspace or through a link", relative)
                       : fmt::format("there is no folder '{}'", relative),
               {{"folder", relative}});
}

ListedFile Describe(int folder, const std::string& path, const char* name) {
  ListedFile file{.path = path, .type = "other"};
  struct stat info;
  if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return file;
  if (S_ISREG(info.st_mode)) {
    file.type = "file";
    file.size_bytes = info.st_size;
  } else if (S_ISDIR(info.st_mode)) {
    file.type = "folder";
  } else if (S_ISLNK(info.st_mode)) {
    file.type = "link";
  }
  return file;
}

// The entries of one folder, by name.
std::vector<ListedFile> EntriesOf(DIR* folder, const std::string& relative, size_t limit) {
  std::vector<ListedFile> files;
  while (files.size() < limit) {
    const dirent* entry = readdir(folder);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = relative == "." ? name : fmt::format("{}/{}", relative, name);
    files.push_back(Describe(dirfd(folder), path, entry->d_name));
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

}  // namespace

absl::StatusOr<std::vector<ListedFile>> ListBeneath(const std::filesystem::path& root,
                                                    const std::string& relative, bool recursive,
                                                    size_t limit) {
  std::vector<ListedFile> files;
  std::string start = relative;
  while (start.size() > 1 && start.back() == '/') start.pop_back();
  std::deque<std::string> folders = {start};
  while (!folders.empty() && files.size() < limit) {
    const std::string path = std::move(folders.front());
    folders.pop_front();
    auto folder = OpenFolder(root, path);
    if (!folder.ok()) {
      if (path == start) return folder.status();
      continue;  // it went away, or became a link, since its parent was read
    }
    for (ListedFile& file : EntriesOf(folder->get(), path, limit - files.size())) {
      if (recursive && file.type == "folder") folders.push_back(file.path);
      files.push_back(std::move(file));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

}  // namespace troupe
