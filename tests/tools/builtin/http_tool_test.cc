#include "tools/builtin/http_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/streambuf.hpp>
#include <asio/write.hpp>
#include <atomic>
#include <thread>

#include "tests/tools/builtin/tool_bench.h"
#include "tools/base/error.h"
#include "tools/builtin/builtin_tools.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Answers each request with what `answer` makes of its head, one connection at a time.
class TinyServer {
 public:
  explicit TinyServer(std::function<std::string(std::string)> answer)
      : answer_(std::move(answer)),
        acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
        thread_([this] { Serve(); }) {}
  ~TinyServer() {
    // A connection of our own makes the waiting accept return.
    stopping_ = true;
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    asio::error_code ignored;
    socket.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  std::string host() const {
    return fmt::format("127.0.0.1:{}", acceptor_.local_endpoint().port());
  }
  std::string url(const std::string& path) const { return "http://" + host() + path; }

 private:
  void Serve() {
    while (!stopping_) {
      asio::ip::tcp::socket socket(io_);
      asio::error_code error;
      acceptor_.accept(socket, error);
      if (error || stopping_) return;
      asio::streambuf buffer;
      asio::read_until(socket, buffer, "\r\n\r\n", error);
      const std::string head(asio::buffers_begin(buffer.data()), asio::buffers_end(buffer.data()));
      asio::write(socket, asio::buffer(answer_(head)), error);
    }
  }

  std::function<std::string(std::string)> answer_;
  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

std::string Reply(const std::string& body, const std::string& headers = "",
                  const std::string& status = "200 OK") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}", status,
                     body.size(), headers, body);
}

class HttpToolTest : public ::testing::Test {
 protected:
  void Allow(const std::vector<std::string>& hosts, bool allow_private = true) {
    const absl::Status added = AddBuiltinTools({hosts, allow_private}, bench_.registry());
    ASSERT_TRUE(added.ok()) << added;
  }
  ToolResult Ask(Json arguments) { return bench_.Get("http_request", std::move(arguments)); }
  ToolBench bench_;
};

TEST_F(HttpToolTest, IsOffWithoutAllowedHosts) {
  Allow({});
  EXPECT_TRUE(HasReason(bench_.registry().Find("http_request").status(), Reason::kToolUnknown));
  EXPECT_TRUE(bench_.registry().Find("sql_query").ok());
}

TEST_F(HttpToolTest, GetsAndPosts) {
  TinyServer server([](const std::string& head) {
    return Reply(head.substr(0, 4) == "POST" ? "posted" : "got", "ETag: \"7\"\r\nX-Other: 1\r\n");
  });
  Allow({server.host()});
  const ToolResult got = Ask({{"url", server.url("/a")}});
  EXPECT_EQ(got.value["status"], 200);
  EXPECT_EQ(got.value["body"], "got");
  EXPECT_EQ(got.value["headers"]["etag"], "\"7\"");
  EXPECT_FALSE(got.value["headers"].contains("x-other"));
  const ToolResult posted = Ask({{"url", server.url("/a")}, {"method", "POST"}, {"body", "x"}});
  EXPECT_EQ(posted.value["body"], "posted");
}

TEST_F(HttpToolTest, AnyStatusIsAResult) {
  TinyServer server([](const std::string&) { return Reply("gone", "", "410 Gone"); });
  Allow({server.host()});
  const ToolResult result = Ask({{"url", server.url("/")}});
  EXPECT_FALSE(result.is_error);
  EXPECT_EQ(result.value["status"], 410);
}

TEST_F(HttpToolTest, RefusesOtherHostsAndPrivateAddresses) {
  std::atomic<int> asked = 0;
  TinyServer server([&](const std::string&) {
    ++asked;
    return Reply("secret");
  });
  Allow({server.host(), "example.org"}, /*allow_private=*/false);
  for (const std::string& url :
       {server.url("/"), std::string("http://127.0.0.1:1/"), std::string("http://localhost/"),
        std::string("http://169.254.169.254/latest/meta-data"), std::string("file:///etc/passwd"),
        std::string("http://[::1]/"), std::string("https://evil.org/")}) {
    const ToolResult result = Ask({{"url", url}});
    EXPECT_TRUE(result.is_error) << url;
    EXPECT_THAT(TextOf(result), Not(HasSubstr("secret"))) << url;
  }
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpToolTest, FollowsRedirectsToAllowedHosts) {
  TinyServer server([](const std::string& head) {
    if (head.starts_with("POST /old")) return Reply("", "Location: /new\r\n", "302 Found");
    return Reply(head.starts_with("GET /new") ? "new" : "wrong");
  });
  Allow({server.host()});
  const ToolResult result = Ask({{"url", server.url("/old")}, {"method", "POST"}, {"body", "x"}});
  EXPECT_EQ(result.value["body"], "new");
  EXPECT_EQ(result.value["url"], server.url("/new"));
}

TEST_F(HttpToolTest, ChecksWhereRedirectsLead) {
  std::atomic<int> asked = 0;
  TinyServer inner([&](const std::string&) {
    ++asked;
    return Reply("secret");
  });
  TinyServer server([&](const std::string&) {
    return Reply("", fmt::format("Location: {}\r\n", inner.url("/")), "302 Found");
  });
  Allow({server.host()});
  const ToolResult result = Ask({{"url", server.url("/")}});
  EXPECT_TRUE(result.is_error);
  EXPECT_THAT(TextOf(result), HasSubstr("may not be reached"));
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpToolTest, KeepsSecretHeadersFromOtherHosts) {
  std::string seen;
  {
    TinyServer other([&](const std::string& head) {
      seen = head;
      return Reply("ok");
    });
    TinyServer server([&](const std::string&) {
      return Reply("", fmt::format("Location: {}\r\n", other.url("/")), "307 Temporary Redirect");
    });
    Allow({server.host(), other.host()});
    const ToolResult result =
        Ask({{"url", server.url("/")},
             {"headers", {{"Authorization", "Bearer x"}, {"Accept", "a/b"}}}});
    EXPECT_EQ(result.value["body"], "ok");
  }
  EXPECT_THAT(seen, HasSubstr("Accept: a/b"));
  EXPECT_THAT(seen, Not(HasSubstr("Bearer")));
}

TEST_F(HttpToolTest, EndsARoundOfRedirects) {
  TinyServer server([](const std::string&) { return Reply("", "Location: /\r\n", "302 Found"); });
  Allow({server.host()});
  const ToolResult result = Ask({{"url", server.url("/")}});
  EXPECT_TRUE(result.is_error);
  EXPECT_THAT(TextOf(result), HasSubstr("redirects"));
}

TEST_F(HttpToolTest, BoundsTheBody) {
  TinyServer server([](const std::string&) { return Reply(std::string(5 * 1024 * 1024, 'x')); });
  Allow({server.host()});
  const ToolResult result = Ask({{"url", server.url("/")}});
  EXPECT_TRUE(result.is_error);
  EXPECT_THAT(TextOf(result), HasSubstr("larger than"));
}

TEST_F(HttpToolTest, ShowsBinaryBodiesByTheirSize) {
  TinyServer server([](const std::string& head) {
    return head.starts_with("GET /zero") ? Reply(std::string("a\0b", 3)) : Reply("M\xfcller");
  });
  Allow({server.host()});
  EXPECT_EQ(Ask({{"url", server.url("/zero")}}).value["body"], "<3 bytes that are no text>");
  EXPECT_EQ(Ask({{"url", server.url("/latin")}}).value["body"], "M\xef\xbf\xbdller");
}

TEST_F(HttpToolTest, RefusesHeadersThatAreNotItsOwn) {
  Allow({"example.org"});
  for (const Json& headers :
       {Json{{"Host", "evil.org"}}, Json{{"X", "a\r\nY: b"}}, Json{{"X: y\r\nZ", "b"}},
        Json{{"Content-Length", "3"}}, Json{{"", "x"}}}) {
    const ToolResult result = Ask({{"url", "http://example.org/"}, {"headers", headers}});
    EXPECT_TRUE(result.is_error) << headers;
    EXPECT_THAT(TextOf(result), HasSubstr("cannot be sent")) << headers;
  }
}

TEST_F(HttpToolTest, EndsWhenCancelled) {
  CancelSource source;
  TinyServer server([&](const std::string&) {
    source.Cancel(CancelReason::kUser, "asked to stop");
    return std::string();
  });
  Allow({server.host()});
  const auto result = bench_.Call("http_request", {{"url", server.url("/")}}, source.token());
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
}

TEST_F(HttpToolTest, WrongHostsInTheListAreAnError) {
  EXPECT_TRUE(HasReason(AddBuiltinTools({{"https://example.org"}, false}, bench_.registry()),
                        Reason::kInvalidField));
}

}  // namespace
}  // namespace troupe
