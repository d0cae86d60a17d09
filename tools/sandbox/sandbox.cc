#include "tools/sandbox/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "tools/base/error.h"
#include "tools/base/spawn.h"
#include "tools/base/status_macros.h"
#include "tools/sandbox/seccomp_filter.h"

namespace troupe {
namespace {

constexpr int kChannelInside = 3;
constexpr int kFilterInside = 4;  // bubblewrap reads and closes it
constexpr int64_t kScratchBytes = int64_t{256} * 1024 * 1024;
constexpr size_t kMaxComplaint = 2000;
constexpr int kKillRounds = 20;
// Users of sandboxes when the server is root: a range that no system gives to people or services.
constexpr uid_t kFirstUser = 1'700'000'000;
constexpr uid_t kUsers = 1'000'000;

std::atomic<uid_t>& NextUser() {
  static std::atomic<uid_t> next = 0;
  return next;
}

absl::Status Failed(std::string_view doing, int error) {
  return Error(Reason::kSandboxFailed, fmt::format("{}: {}", doing, strerror(error)));
}

const char* const kSystemFolders[] = {
    "/etc/alternatives",     "/etc/fonts",      "/etc/R",
    "/etc/ld.so.cache",      "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/matplotlibrc",     "/etc/localtime",  "/etc/timezone",
    "/var/cache/fontconfig", "/etc/python3.11"};

std::vector<std::string> BubblewrapArguments(const SandboxConfig& config, const SandboxSpec& spec,
                                             uid_t user, bool filtered) {
  std::vector<std::string> args;
  const auto add = [&](std::initializer_list<std::string> more) {
    args.insert(args.end(), more.begin(), more.end());
  };
  // Root needs no user namespace, and a server of any other user cannot do without one.
  if (user == 0) add({"--unshare-user"});
  add({"--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
       "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"});
  add({"--ro-bind", "/usr", "/usr"});
  for (const char* folder : {"bin", "sbin", "lib", "lib64", "lib32", "libx32"}) {
    std::error_code error;
    const auto link = std::filesystem::read_symlink(std::filesystem::path("/") / folder, error);
    if (!error) {
      add({"--symlink", link.string(), fmt::format("/{}", folder)});
    } else {
      add({"--ro-bind-try", fmt::format("/{}", folder), fmt::format("/{}", folder)});
    }
  }
  // Folders that bubblewrap makes on the way to a mount would be its own alone.
  std::set<std::filesystem::path> parents = {"/etc", "/var", "/var/cache"};
  for (const SandboxMount& mount : spec.mounts) {
    auto parent = std::filesystem::path(mount.inside).parent_path();
    for (; parent != "/"; parent = parent.parent_path()) parents.insert(parent);
  }
  for (const auto& folder : parents) add({"--perms", "0755", "--dir", folder.string()});
  for (const char* folder : kSystemFolders) add({"--ro-bind-try", folder, folder});
  for (const std::string& folder : config.extra_folders) add({"--ro-bind-try", folder, folder});
  const std::string size = std::to_string(kScratchBytes);
  add({"--proc", "/proc", "--dev", "/dev"});
  // Semaphores between processes are in /dev/shm.
  for (const char* folder : {"/dev/shm", "/tmp"}) {
    add({"--perms", "1777", "--size", size, "--tmpfs", folder});
  }
  for (const SandboxMount& mount : spec.mounts) {
    add({mount.writable ? "--bind" : "--ro-bind", mount.outside.string(), mount.inside});
  }
  // What bubblewrap made these of is memory without a limit.
  add({"--remount-ro", "/dev", "--remount-ro", "/"});
  add({"--setenv",
       "PATH",
       "/usr/local/bin:/usr/bin:/bin",
       "--setenv",
       "HOME",
       "/tmp",
       "--setenv",
       "USER",
       "analyst",
       "--setenv",
       "LANG",
       "C.UTF-8",
       "--setenv",
       "MPLCONFIGDIR",
       "/tmp/matplotlib",
       "--setenv",
       "IPYTHONDIR",
       "/tmp/ipython",
       "--setenv",
       "PYTHONHASHSEED",
       "0",
       "--setenv",
       "OMP_NUM_THREADS",
       "1",
       "--setenv",
       "OPENBLAS_NUM_THREADS",
       "1",
       "--setenv",
       "NUMBA_CACHE_DIR",
       "/tmp/numba",
       "--setenv",
       "TMPDIR",
       "/tmp"});
  if (filtered) add({"--seccomp", std::to_string(kFilterInside)});
  add({"--chdir", spec.working_folder});
  if (user != 0)
    add({"--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"});
  add({"--"});
  if (user != 0) {
    const std::string id = std::to_string(user);
    add({"/usr/bin/setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs",
         "--inh-caps=-all", "--bounding-set=-all"});
  }
  args.insert(args.end(), spec.command.begin(), spec.command.end());
  return args;
}

std::vector<pid_t> Children(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    std::ifstream file(task.path() / "children");
    pid_t child = 0;
    while (file >> child) children.push_back(child);
  }
  return children;
}

int64_t ProportionalBytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  std::string word;
  while (file >> word) {
    int64_t kilobytes = 0;
    if (word == "Pss:" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;  // it has ended
}

}  // namespace

uid_t NewSandboxUser() {
  if (geteuid() != 0) return 0;
  return kFirstUser + (static_cast<uid_t>(getpid()) * 1000 + NextUser()++) % kUsers;
}

absl::Status MakeFolderFor(const std::filesystem::path& folder, uid_t user) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Error(Reason::kSandboxFailed,
                 fmt::format("the folder {} cannot be made: {}", folder.string(), error.message()));
  }
  if (user == 0) return absl::OkStatus();
  // What an earlier sandbox of the task left belongs to that one's user.
  if (lchown(folder.c_str(), user, user) != 0) return Failed("chown", errno);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (lchown(entry.path().c_str(), user, user) != 0) return Failed("chown", errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Sandbox>> Sandbox::Start(const SandboxConfig& config,
                                                        const SandboxSpec& spec) {
  if (access(config.bubblewrap.c_str(), X_OK) != 0) {
    return Error(Reason::kSandboxFailed,
                 fmt::format("code runs in a sandbox alone, and {} is not there: install the "
                             "package bubblewrap",
                             config.bubblewrap));
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Failed("socketpair", errno);
  }
  FileDescriptor ours(ends[0]);
  FileDescriptor theirs(ends[1]);
  FileDescriptor log(memfd_create("sandbox-log", MFD_CLOEXEC));
  if (!log.valid()) return Failed("memfd_create", errno);
  const FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing.valid()) return Failed("/dev/null", errno);
  ASSIGN_OR_RETURN(const FileDescriptor filter, MakeSeccompFilter());
  uid_t user = 0;
  for (const SandboxMount& mount : spec.mounts) {
    struct stat info;
    if (mount.writable && stat(mount.outside.c_str(), &info) == 0 && geteuid() == 0) {
      user = info.st_uid;
    }
  }
  std::vector<std::pair<int, int>> descriptors = {
      {nothing.get(), 0}, {log.get(), 1}, {log.get(), 2}, {theirs.get(), kChannelInside}};
  if (filter.valid()) descriptors.emplace_back(filter.get(), kFilterInside);
  // A group of its own, by which a process is found that bubblewrap left behind when it was killed
  // before it had tied that to its life.
  const auto pid = SpawnInGroup({.program = config.bubblewrap,
                                 .args = BubblewrapArguments(config, spec, user, filter.valid()),
                                 .descriptors = std::move(descriptors)});
  if (!pid.ok()) return Error(Reason::kSandboxFailed, MessageOf(pid.status()));
  return std::unique_ptr<Sandbox>(new Sandbox(*pid, std::move(ours), std::move(log)));
}

Sandbox::~Sandbox() {
  // Bubblewrap's first process inside is the init of its process namespace: with it all end.
  KillTree(pid_);
  kill(-pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

std::string Sandbox::Complaint() const {
  std::string text(kMaxComplaint, '\0');
  const ssize_t size = pread(log_.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

std::vector<pid_t> ProcessTree(pid_t root, const std::set<pid_t>& opaque) {
  std::vector<pid_t> tree = {root};
  std::set<pid_t> seen = {root};
  for (size_t i = 0; i < tree.size(); ++i) {
    if (opaque.contains(tree[i])) continue;
    for (pid_t child : Children(tree[i])) {
      if (seen.insert(child).second) tree.push_back(child);
    }
  }
  return tree;
}

void KillTree(pid_t root) {
  // Stopped first, so that nothing new is started while the tree is read.
  size_t known = 0;
  std::vector<pid_t> tree;
  for (int round = 0; round < kKillRounds; ++round) {
    tree = ProcessTree(root);
    for (pid_t pid : tree) kill(pid, SIGSTOP);
    if (tree.size() == known) break;
    known = tree.size();
  }
  for (pid_t pid : tree) kill(pid, SIGKILL);
}

TreeUsage UsageOfTree(pid_t root, int64_t enough) {
  TreeUsage usage;
  static const int64_t page = sysconf(_SC_PAGESIZE);
  const std::vector<pid_t> tree = ProcessTree(root);
  usage.processes = static_cast<int>(tree.size());
  for (pid_t pid : tree) {
    std::ifstream file(fmt::format("/proc/{}/statm", pid));
    int64_t size = 0;
    int64_t resident = 0;
    if (file >> size >> resident) usage.resident_bytes += resident * page;
  }
  if (usage.resident_bytes <= enough || tree.size() == 1) return usage;
  // Pages that forked processes share were counted for each of them. To share them out takes a walk
  // through all of them, and is worth it only here.
  usage.resident_bytes = 0;
  for (pid_t pid : tree) usage.resident_bytes += ProportionalBytes(pid);
  return usage;
}

int64_t FolderBytes(const std::filesystem::path& folder, int64_t enough) {
  int64_t bytes = 0;
  std::error_code error;
  auto entry = std::filesystem::recursive_directory_iterator(
      folder, std::filesystem::directory_options::skip_permission_denied, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    struct stat info;
    if (lstat(entry->path().c_str(), &info) == 0) bytes += int64_t{info.st_blocks} * 512;
    if (bytes > enough) break;
  }
  return bytes;
}

}  // namespace troupe
