#include "tests/bench/chat_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace troupe::bench {
namespace {

void Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// The number in "[task 17]", or -1.
int64_t TaskOf(std::string_view body) {
  constexpr std::string_view kMark = "[task ";
  const size_t at = body.find(kMark);
  if (at == std::string_view::npos) return -1;
  return std::strtoll(body.data() + at + kMark.size(), nullptr, 10);
}

size_t ContentLength(std::string_view head) {
  constexpr std::string_view kName = "content-length:";
  for (size_t at = 0; at < head.size();) {
    const size_t end = std::min(head.find("\r\n", at), head.size());
    if (end - at > kName.size() && strncasecmp(head.data() + at, kName.data(), kName.size()) == 0) {
      return std::strtoull(head.data() + at + kName.size(), nullptr, 10);
    }
    at = end + 2;
  }
  return 0;
}

// Looks now and then: telling the waiter of each reply would cost what is measured.
bool WaitFor(const std::atomic<int64_t>& number, int64_t count, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (number < count) {
    if (std::chrono::steady_clock::now() > end) return false;
    usleep(2'000);
  }
  return true;
}

}  // namespace

ChatServer::ChatServer(Options options) : options_(std::move(options)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  listen(listener_, 16'384);
  socklen_t size = sizeof(address);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  stop_ = eventfd(0, EFD_CLOEXEC);
  Watch(epoll_, listener_, EPOLLIN);
  Watch(epoll_, timer_, EPOLLIN);
  Watch(epoll_, stop_, EPOLLIN);
  thread_ = std::thread([this] { Run(); });
}

ChatServer::~ChatServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(stop_, &one, sizeof(one));
  thread_.join();
  for (const auto& [fd, peer] : peers_) close(fd);
  for (const int fd : {listener_, timer_, stop_, epoll_}) close(fd);
}

bool ChatServer::WaitForServed(int64_t count, std::chrono::seconds limit) const {
  return WaitFor(served_, count, limit);
}

bool ChatServer::WaitForFinished(int64_t count, std::chrono::seconds limit) const {
  return WaitFor(finished_, count, limit);
}

double ChatServer::CpuSeconds() const {
  clockid_t clock{};
  timespec time{};
  if (pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) == 0) {
    clock_gettime(clock, &time);
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::vector<double> ChatServer::AddedMilliseconds() const {
  std::vector<double> added;
  {
    MutexLock lock(&mutex_);
    added = added_;
  }
  std::sort(added.begin(), added.end());
  return added;
}

void ChatServer::MeasureAdded() {
  MutexLock lock(&mutex_);
  added_.clear();
  added_since_ = Clock::now();
}

void ChatServer::Run() {
  std::vector<epoll_event> events(512);
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == stop_) return;
      if (fd == listener_) {
        Accept();
      } else if (fd == timer_) {
        uint64_t expirations = 0;
        [[maybe_unused]] const auto taken = read(timer_, &expirations, sizeof(expirations));
      } else {
        Read(fd);
      }
    }
    AnswerDue(Clock::now());
  }
}

void ChatServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    peers_.emplace(fd, Peer());
    ++generations_[fd];
    Watch(epoll_, fd, EPOLLIN);
  }
}

void ChatServer::Read(int fd) {
  const auto found = peers_.find(fd);
  if (found == peers_.end()) return;
  char buffer[65'536];
  for (;;) {
    const ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
    if (size > 0) {
      found->second.in.append(buffer, static_cast<size_t>(size));
      if (static_cast<size_t>(size) < sizeof(buffer)) break;
    } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      break;
    } else {
      return Close(fd);
    }
  }
  TakeRequests(fd, found->second);
}

void ChatServer::TakeRequests(int fd, Peer& peer) {
  for (;;) {
    const size_t head = peer.in.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const size_t length = ContentLength(std::string_view(peer.in).substr(0, head));
    const size_t whole = head + 4 + length;
    if (peer.in.size() < whole) return;
    request_bytes_ += static_cast<int64_t>(length);
    const int64_t task = TaskOf(std::string_view(peer.in).substr(head, whole - head));
    const auto now = Clock::now();
    if (const auto before = replied_.find(task); task >= 0 && before != replied_.end()) {
      const auto replied = before->second.at;
      MutexLock lock(&mutex_);
      if (replied >= added_since_) {
        added_.push_back(std::chrono::duration<double, std::milli>(now - replied).count());
      }
    }
    peer.in.erase(0, whole);
    if (due_.empty()) {
      itimerspec at{};
      const auto nanoseconds =
          std::chrono::duration_cast<std::chrono::nanoseconds>(options_.latency).count();
      at.it_value.tv_sec = nanoseconds / 1'000'000'000;
      at.it_value.tv_nsec = std::max<int64_t>(1, nanoseconds % 1'000'000'000);
      timerfd_settime(timer_, 0, &at, nullptr);
    }
    due_.push_back({now + options_.latency, fd, generations_[fd], task});
  }
}

void ChatServer::AnswerDue(Clock::time_point now) {
  while (!due_.empty() && due_.front().at <= now) {
    const Due due = due_.front();
    due_.pop_front();
    const auto found = peers_.find(due.fd);
    if (found == peers_.end() || generations_[due.fd] != due.generation) continue;
    found->second.out += MakeReply();
    if (due.task >= 0) NoteReply(due.task, now);
    last_reply_ = std::chrono::nanoseconds(now.time_since_epoch()).count();
    if (first_reply_ == 0) first_reply_ = last_reply_.load();
    ++served_;
    Flush(due.fd, found->second);
  }
  if (due_.empty()) return;
  itimerspec at{};
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(due_.front().at - now);
  at.it_value.tv_sec = rest.count() / 1'000'000'000;
  at.it_value.tv_nsec = std::max<int64_t>(1, rest.count() % 1'000'000'000);
  timerfd_settime(timer_, 0, &at, nullptr);
}

void ChatServer::NoteReply(int64_t task, Clock::time_point now) {
  Replied& replied = replied_[task];
  replied.at = now;
  if (++replied.calls == options_.calls_a_task) ++finished_;
}

void ChatServer::Flush(int fd, Peer& peer) {
  while (!peer.out.empty()) {
    const ssize_t size = send(fd, peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
    if (size <= 0) {
      if (size < 0 && errno == EAGAIN) continue;  // replies are small: the socket takes them soon
      return Close(fd);
    }
    peer.out.erase(0, static_cast<size_t>(size));
  }
}

void ChatServer::Close(int fd) {
  peers_.erase(fd);
  close(fd);
}

std::string ChatServer::MakeReply() {
  const std::string text = words_.Text(options_.reply_bytes);
  reply_text_bytes_ += static_cast<int64_t>(text.size());
  const std::string message = options_.message.empty()
                                  ? R"({"role":"assistant","content":")" + text + "\"}"
                                  : options_.message;
  const std::string body = R"({"id":"r","object":"chat.completion","choices":[{"index":0,)"
                           R"("message":)" +
                           message +
                           R"(,"finish_reason":"stop"}],"usage":{"prompt_tokens":50,)"
                           R"("completion_tokens":30,"total_tokens":80}})";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace troupe::bench
