#include "tools/http/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

namespace troupe {
namespace {

absl::Duration CpuTime() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

// Its thread once spun as long as curl had no timer, which is whenever nothing is asked.
TEST(HttpClientTest, SleepsWhileNothingIsAsked) {
  const HttpClient client;
  const absl::Duration before = CpuTime();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(CpuTime() - before, absl::Milliseconds(100));
}

// Answers every request with its path and body, on loopback; holds the answers back until `hold`
// requests wait, so that so many are under way at once. With `closes` it closes the connections
// that it answered on, without having said so.
class EchoServer {
 public:
  explicit EchoServer(size_t hold, bool closes = false) : hold_(hold), closes_(closes) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, any, size), 0);
    EXPECT_EQ(listen(listener_, 1024), 0);
    getsockname(listener_, any, &size);
    port_ = ntohs(address.sin_port);
    EXPECT_EQ(pipe(stop_), 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~EchoServer() {
    close(stop_[1]);
    thread_.join();
    for (const auto& [fd, received] : received_) close(fd);
    close(stop_[0]);
    close(listener_);
  }
  int port() const { return port_; }

 private:
  void Run() {
    for (;;) {
      std::vector<pollfd> polled = {{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& [fd, received] : received_) polled.push_back({fd, POLLIN, 0});
      poll(polled.data(), polled.size(), -1);
      if (polled[0].revents != 0) return;
      if (polled[1].revents != 0) received_[accept(listener_, nullptr, nullptr)];
      for (size_t i = 2; i < polled.size(); ++i) {
        if (polled[i].revents != 0) Receive(polled[i].fd);
      }
      if (waiting_.size() >= hold_) AnswerAll();
    }
  }

  void Receive(int fd) {
    char bytes[4096];
    const ssize_t size = read(fd, bytes, sizeof(bytes));
    if (size <= 0) {
      close(fd);
      received_.erase(fd);
      return;
    }
    std::string& received = received_[fd];
    received.append(bytes, static_cast<size_t>(size));
    const size_t end = received.find("\r\n\r\n");
    const size_t length = received.find("Content-Length: ");
    if (end == std::string::npos || length == std::string::npos) return;
    const std::string body = received.substr(end + 4);
    if (body.size() < std::stoul(received.substr(length + 16))) return;
    const size_t path = received.find(' ') + 1;
    const std::string said = received.substr(path, received.find(' ', path) - path) + " " + body;
    waiting_[fd] =
        fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", said.size(), said);
    received.clear();
  }

  void AnswerAll() {
    for (const auto& [fd, answer] : waiting_) {
      EXPECT_EQ(write(fd, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
      if (!closes_) continue;
      close(fd);
      received_.erase(fd);
    }
    waiting_.clear();
  }

  const size_t hold_;
  const bool closes_;
  int listener_ = -1;
  int port_ = 0;
  int stop_[2] = {-1, -1};
  std::map<int, std::string> received_;  // by connection
  std::map<int, std::string> waiting_;   // answers
  std::thread thread_;
};

Async<HttpResponse> Post(HttpClient* client, int port, int number, std::string host = "127.0.0.1") {
  HttpRequest request;
  request.method = "POST";
  request.url = fmt::format("http://{}:{}/{}", host, port, number % 3);
  request.headers = {{"X-Number", std::to_string(number % 2)}};
  request.body = std::to_string(number);
  request.timeouts.total = absl::Seconds(60);
  co_return co_await client->Send(std::move(request), CancelToken());
}

// More at once than one of curl's multi handles takes, and again over the connections that are
// there, with handles that were set up for other requests.
TEST(HttpClientTest, HundredsOfRequestsAtOnceAreAnsweredEachByItsOwn) {
  constexpr int kRequests = 300;
  EchoServer server(kRequests);
  HttpClient client;
  for (int round = 0; round < 3; ++round) {
    asio::io_context context;
    int answered = 0;
    for (int i = 0; i < kRequests; ++i) {
      const int number = round * 1000 + i;
      asio::co_spawn(context, Post(&client, server.port(), number),
                     [&answered, number](std::exception_ptr, absl::StatusOr<HttpResponse> got) {
                       ASSERT_TRUE(got.ok()) << got.status();
                       EXPECT_EQ(got->body, fmt::format("/{} {}", number % 3, number));
                       ++answered;
                     });
    }
    context.run();
    EXPECT_EQ(answered, kRequests);
  }
}

// Numbers of sockets come again: for other connections, and for what curl looks up names by.
TEST(HttpClientTest, GoesOnAfterConnectionsThatTheServerClosed) {
  EchoServer server(1, /*closes=*/true);
  HttpClient client;
  for (int number = 0; number < 40; ++number) {
    asio::io_context context;
    bool answered = false;
    asio::co_spawn(
        context, Post(&client, server.port(), number, number % 4 == 0 ? "localhost" : "127.0.0.1"),
        [&answered, number](std::exception_ptr, absl::StatusOr<HttpResponse> got) {
          ASSERT_TRUE(got.ok()) << got.status();
          EXPECT_EQ(got->body, fmt::format("/{} {}", number % 3, number));
          answered = true;
        });
    context.run();
    ASSERT_TRUE(answered);
  }
  const absl::Duration before = CpuTime();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(CpuTime() - before, absl::Milliseconds(100));
}

}  // namespace
}  // namespace troupe
