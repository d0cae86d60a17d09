#include "tools/base/safe_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "tools/base/error.h"
#include "tools/base/file_descriptor.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

int OpenBeneath(int folder, const std::string& relative, uint64_t flags, uint64_t mode) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof(how)));
}

absl::Status FileError(const std::string& relative, int error) {
  if (error == EXDEV || error == ELOOP) {
    return Error(Reason::kPermissionDenied,
                 fmt::format("'{}' leads out of the workspace or through a link", relative),
                 {{"file", relative}});
  }
  if (error == ENOENT || error == ENOTDIR) {
    return Error(Reason::kNotFound, fmt::format("there is no file '{}'", relative),
                 {{"file", relative}});
  }
  return Error(Reason::kToolFailed, fmt::format("'{}': {}", relative, strerror(error)),
               {{"file", relative}});
}

absl::Status WriteAll(int file, const std::string& relative, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = write(file, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(relative, errno);
    done += static_cast<size_t>(count);
  }
  return fsync(file) == 0 ? absl::OkStatus() : FileError(relative, errno);
}

void RemoveBeneath(int folder, const std::string& relative) {
  const size_t slash = relative.rfind('/');
  const bool nested = slash != std::string::npos;
  const FileDescriptor parent(
      OpenBeneath(folder, nested ? relative.substr(0, slash) : ".", O_PATH | O_DIRECTORY, 0));
  const std::string name = nested ? relative.substr(slash + 1) : relative;
  if (parent.get() >= 0) unlinkat(parent.get(), name.c_str(), 0);
}

}  // namespace

absl::StatusOr<std::string> ReadBeneath(const std::filesystem::path& folder,
                                        const std::string& relative, int64_t max_bytes) {
  const FileDescriptor root(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return FileError(relative, errno);
  // A pipe in a file's place must not hold us up.
  const FileDescriptor file(OpenBeneath(root.get(), relative, O_RDONLY | O_NONBLOCK, 0));
  if (file.get() < 0) return FileError(relative, errno);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return FileError(relative, errno);
  if (!S_ISREG(info.st_mode)) {
    return Error(Reason::kInvalidField, fmt::format("'{}' is not a regular file", relative),
                 {{"file", relative}});
  }
  if (info.st_size > max_bytes) {
    return Error(
        Reason::kInvalidField,
        fmt::format("'{}' has {} bytes, over the limit of {}", relative, info.st_size, max_bytes),
        {{"file", relative}});
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t count = read(file.get(), bytes.data() + have, bytes.size() - have);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(relative, errno);
    if (count == 0) break;  // it shrank meanwhile
    have += static_cast<size_t>(count);
  }
  bytes.resize(have);
  return bytes;
}

absl::Status WriteBeneath(const std::filesystem::path& folder, const std::string& relative,
                          const std::string& bytes) {
  const FileDescriptor root(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return FileError(relative, errno);
  for (size_t slash = relative.find('/'); slash != std::string::npos;
       slash = relative.find('/', slash + 1)) {
    const std::string part = relative.substr(0, slash);
    const size_t last = part.rfind('/');
    const std::string parent = last == std::string::npos ? "." : part.substr(0, last);
    const FileDescriptor above(OpenBeneath(root.get(), parent, O_PATH | O_DIRECTORY, 0));
    if (above.get() < 0) return FileError(relative, errno);
    const std::string name = last == std::string::npos ? part : part.substr(last + 1);
    if (mkdirat(above.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
      return FileError(relative, errno);
    }
  }
  const FileDescriptor file(
      OpenBeneath(root.get(), relative, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0644));
  if (file.get() < 0) return FileError(relative, errno);
  const absl::Status written = WriteAll(file.get(), relative, bytes);
  // Half a file must not be taken for a whole one.
  if (!written.ok()) RemoveBeneath(root.get(), relative);
  return written;
}

absl::Status SyncToDisk(const std::filesystem::path& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0 && fsync(file.get()) == 0) return absl::OkStatus();
  return Error(Reason::kStoreFailed,
               fmt::format("{} could not be written to the disk: {}", path.string(),
                           std::generic_category().message(errno)));
}

std::string MediaTypeOf(const std::string& name) {
  static const std::map<std::string, std::string> kTypes = {
      {".csv", "text/csv"},          {".tsv", "text/tab-separated-values"},
      {".txt", "text/plain"},        {".md", "text/markdown"},
      {".json", "application/json"}, {".ipynb", "application/x-ipynb+json"},
      {".png", "image/png"},         {".svg", "image/svg+xml"},
      {".pdf", "application/pdf"},   {".html", "text/html"},
      {".py", "text/x-python"},      {".h5ad", "application/x-hdf5"}};
  const size_t dot = name.rfind('.');
  const auto found = dot == std::string::npos ? kTypes.end() : kTypes.find(name.substr(dot));
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

}  // namespace troupe
