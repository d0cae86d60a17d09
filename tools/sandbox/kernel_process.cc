#include "tools/sandbox/kernel_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr uint32_t kMaxMessage = 300 * 1024 * 1024;
constexpr char kGoneKey[] = "gone";
constexpr char kBusyKey[] = "busy";
constexpr absl::Duration kForkPatience = absl::Seconds(20);

absl::Status Gone() { return GoneError("the kernel's process is gone"); }

// Sends a frame with a descriptor attached to its first byte.
bool SendWithDescriptor(int socket, const std::string& frame, int descriptor) {
  iovec part{const_cast<char*>(frame.data()), frame.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  return sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(frame.size());
}

// Reads some bytes and, from the kernel's own word, the id of the process that sent them.
ssize_t ReceiveWithSender(int socket, char* data, size_t size, pid_t* sender) {
  iovec part{data, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) continue;
    ucred credentials;
    std::memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
    *sender = credentials.pid;
  }
  return received;
}

std::string Frame(const Json& message) {
  const std::string body = DumpJson(message);
  const uint32_t size = static_cast<uint32_t>(body.size());
  std::string frame(reinterpret_cast<const char*>(&size), sizeof(size));
  return frame + body;
}

}  // namespace

absl::Status GoneError(std::string message) {
  return Error(Reason::kSandboxFailed, std::move(message), {{kGoneKey, "process"}});
}

bool IsGone(const absl::Status& status) { return MetadataOf(status).contains(kGoneKey); }

bool IsBusy(const absl::Status& status) { return MetadataOf(status).contains(kBusyKey); }

KernelProcess::KernelProcess(asio::any_io_executor executor, FileDescriptor channel)
    : executor_(executor), socket_(executor) {
  const int on = 1;
  setsockopt(channel.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  asio::error_code error;
  socket_.assign(asio::local::stream_protocol(), channel.get(), error);
  if (!error) channel.Release();
}

KernelProcess::~KernelProcess() { Kill(); }

AsyncStatus KernelProcess::WaitForHello(absl::Duration patience, pid_t keeper) {
  auto self = shared_from_this();
  asio::error_code error;
  asio::steady_timer timer(executor_);
  timer.expires_after(absl::ToChronoNanoseconds(patience));
  timer.async_wait([weak = weak_from_this()](asio::error_code late) {
    auto process = weak.lock();
    if (!late && process != nullptr && process->pid_ == 0) process->Kill();
  });
  // The channel alone may not tell: a process that hangs may hold it open.
  asio::posix::stream_descriptor keeper_ended(executor_);
  if (keeper != 0) {
    keeper_ended.assign(static_cast<int>(syscall(SYS_pidfd_open, keeper, 0)), error);
    keeper_ended.async_wait(asio::posix::stream_descriptor::wait_read,
                            [weak = weak_from_this()](asio::error_code ended) {
                              auto process = weak.lock();
                              if (!ended && process != nullptr && process->pid_ == 0) {
                                process->Kill();
                              }
                            });
  }
  co_await socket_.async_wait(asio::socket_base::wait_read,
                              asio::redirect_error(asio::use_awaitable, error));
  if (error || !socket_.is_open()) co_return Gone();
  char size[sizeof(uint32_t)];
  pid_t sender = 0;
  if (ReceiveWithSender(socket_.native_handle(), size, sizeof(size), &sender) != sizeof(size) ||
      sender <= 0) {
    Kill();
    co_return Gone();
  }
  pid_ = sender;
  pid_descriptor_ = FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  uint32_t length = 0;
  std::memcpy(&length, size, sizeof(length));
  std::string body(std::min(length, kMaxMessage), '\0');
  co_await asio::async_read(socket_, asio::buffer(body),
                            asio::redirect_error(asio::use_awaitable, error));
  co_return error ? Gone() : absl::OkStatus();
}

AsyncStatus KernelProcess::Send(Json message) {
  auto self = shared_from_this();
  const std::string frame = Frame(message);
  asio::error_code error;
  if (!alive()) co_return Gone();
  co_await asio::async_write(socket_, asio::buffer(frame),
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) Kill();
  co_return error ? Gone() : absl::OkStatus();
}

Async<Json> KernelProcess::Receive() {
  auto self = shared_from_this();
  if (!alive()) co_return Gone();
  uint32_t length = 0;
  asio::error_code error;
  co_await asio::async_read(socket_, asio::buffer(&length, sizeof(length)),
                            asio::redirect_error(asio::use_awaitable, error));
  if (error || length > kMaxMessage) {
    Kill();
    co_return Gone();
  }
  std::string body(length, '\0');
  co_await asio::async_read(socket_, asio::buffer(body),
                            asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    Kill();
    co_return Gone();
  }
  co_return ParseJson(body, "the kernel's message");
}

Async<std::shared_ptr<KernelProcess>> KernelProcess::Fork() {
  auto self = shared_from_this();
  // One request is under way at a time; the others wait for their turn.
  if (forking_) {
    auto turn =
        co_await Suspend<bool>([&](Done<bool> done) { fork_waiters_.push_back(std::move(done)); });
    CO_RETURN_IF_ERROR(turn.status());
  }
  forking_ = true;
  const auto next = [](KernelProcess* process) {
    process->forking_ = false;
    if (process->fork_waiters_.empty()) {
      if (process->frozen_) process->Freeze();
      return;
    }
    auto waiter = std::move(process->fork_waiters_.front());
    process->fork_waiters_.pop_front();
    waiter(true);
  };
  const std::unique_ptr<KernelProcess, decltype(next)> turn(this, next);
  if (!alive()) co_return Gone();
  if (frozen_) kill(pid_, SIGCONT);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) co_return Gone();
  FileDescriptor ours(ends[0]);
  FileDescriptor theirs(ends[1]);
  // Before the child can speak: what it sends carries its id only to an end that asks for that.
  auto child = std::make_shared<KernelProcess>(executor_, std::move(ours));
  if (!SendWithDescriptor(socket_.native_handle(), Frame({{"op", "fork"}}), theirs.get())) {
    Kill();
    co_return Gone();
  }
  theirs.Close();
  const absl::Status greeted = co_await child->WaitForHello(kForkPatience);
  CO_ASSIGN_OR_RETURN(const Json answer, co_await Receive());
  if (greeted.ok()) co_return child;
  if (!answer.contains("error")) co_return greeted;
  co_return Error(
      Reason::kSandboxFailed,
      fmt::format("no process can be made for a new state: {}", JsonString(answer, "error", "?")),
      {{kBusyKey, "processes"}});
}

bool KernelProcess::Running() const {
  pollfd poll_descriptor{pid_descriptor_.get(), POLLIN, 0};
  return pid_descriptor_.valid() && poll(&poll_descriptor, 1, 0) == 0;
}

bool KernelProcess::Doomed() const {
  if (!Running()) return true;
  // A kill that was sent shows as pending until the process gets a processor to die on.
  constexpr uint64_t kKillBit = uint64_t{1} << (SIGKILL - 1);
  std::ifstream status(fmt::format("/proc/{}/status", pid_));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigPnd:") && !line.starts_with("ShdPnd:")) continue;
    if ((std::stoull(line.substr(line.find(':') + 1), nullptr, 16) & kKillBit) != 0) return true;
  }
  return false;
}

void KernelProcess::Interrupt() {
  if (Running()) kill(pid_, SIGINT);
}

void KernelProcess::Freeze() {
  frozen_ = true;
  if (Running()) kill(pid_, SIGSTOP);
}

void KernelProcess::Kill() {
  if (Running()) kill(pid_, SIGKILL);
  asio::error_code ignored;
  socket_.close(ignored);
}

void KernelProcess::KillWithCell() {
  if (Running()) KillTree(pid_);
  Kill();
}

}  // namespace troupe
