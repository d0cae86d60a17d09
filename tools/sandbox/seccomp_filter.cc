#include "tools/sandbox/seccomp_filter.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tools/base/error.h"

namespace troupe {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr uint32_t kForeignCalls = 0x40000000;  // the x32 calls, other numbers for the same
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr uint32_t kForeignCalls = 0xFFFFFFFF;
#else
constexpr uint32_t kArchitecture = 0;
constexpr uint32_t kForeignCalls = 0xFFFFFFFF;
#endif

constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

constexpr uint32_t kRefused[] = {
    // Namespaces and mounts: a tmpfs of one's own would be memory that is not counted.
    SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree,
    SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr,
    SYS_name_to_handle_at, SYS_open_by_handle_at,
    // Memory that belongs to no process.
    SYS_memfd_create, SYS_shmget, SYS_msgget,
    // Other processes of the same user: the other states of the task.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp,
    // Parts of the system with a history of holes that an analysis does not need.
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_fanotify_init,
    SYS_quotactl,
    // Administration.
    SYS_swapon, SYS_swapoff, SYS_reboot, SYS_kexec_load, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_acct, SYS_settimeofday, SYS_clock_settime, SYS_syslog};

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter Return(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
// Skips `otherwise` instructions unless the test holds.
sock_filter If(uint16_t test, uint32_t value, uint8_t otherwise) {
  return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, 0, otherwise);
}

std::vector<sock_filter> Program() {
  const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
  const uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;
  std::vector<sock_filter> program = {
      Load(offsetof(seccomp_data, arch)),
      If(BPF_JEQ, kArchitecture, 1),
      BPF_STMT(BPF_JMP | BPF_JA, 1),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      If(BPF_JGE, kForeignCalls, 1),
      Return(unknown),
      // The flags of clone3 are in memory, where a filter cannot look; without it clone is used.
      If(BPF_JEQ, SYS_clone3, 1),
      Return(unknown),
  };
  for (uint32_t call : kRefused) {
    program.push_back(If(BPF_JEQ, call, 1));
    program.push_back(Return(refuse));
  }
  program.push_back(If(BPF_JEQ, SYS_clone, 3));
  program.push_back(Load(offsetof(seccomp_data, args)));
  program.push_back(If(BPF_JSET, kNewNamespaces, 1));
  program.push_back(Return(refuse));
  program.push_back(Return(SECCOMP_RET_ALLOW));
  return program;
}

}  // namespace

absl::StatusOr<FileDescriptor> MakeSeccompFilter() {
  if (kArchitecture == 0) return FileDescriptor();
  const std::vector<sock_filter> program = Program();
  FileDescriptor file(memfd_create("seccomp", MFD_CLOEXEC));
  const size_t size = program.size() * sizeof(sock_filter);
  if (!file.valid() || write(file.get(), program.data(), size) != static_cast<ssize_t>(size) ||
      lseek(file.get(), 0, SEEK_SET) != 0) {
    return Error(Reason::kSandboxFailed,
                 fmt::format("the sandbox's filter cannot be made: {}", strerror(errno)));
  }
  return file;
}

}  // namespace troupe
