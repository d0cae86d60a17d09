#include "tools/mcp/stdio_transport.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <utility>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/mcp/json_rpc.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr size_t kPiece = size_t{64} * 1024;
constexpr size_t kMaxQueuedBytes = 4 * kMaxRpcMessage;
constexpr size_t kMaxLoggedLine = 1000;
constexpr size_t kMaxErrorLine = size_t{16} * 1024;
constexpr int kMaxLinesAMinute = 120;
// How long a server has to end by itself once its input is closed, and once it was told to end.
constexpr absl::Duration kExitPatience = absl::Seconds(2);
constexpr absl::Duration kTermPatience = absl::Seconds(1);

// Adds what was read and takes the lines out; the rest, which has no newline, stays in `pending`.
template <typename TakeLine>
void SplitLines(std::string& pending, std::string_view piece, TakeLine take) {
  size_t begin = 0;
  size_t end = pending.size();
  pending.append(piece);
  for (end = pending.find('\n', end); end != std::string::npos; end = pending.find('\n', begin)) {
    std::string line = pending.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) take(std::move(line));
    begin = end + 1;
  }
  pending.erase(0, begin);
}

void Assign(asio::posix::stream_descriptor& stream, FileDescriptor descriptor) {
  asio::error_code error;
  stream.assign(descriptor.get(), error);
  if (!error) descriptor.Release();
}

}  // namespace

StdioTransport::StdioTransport(asio::any_io_executor executor, std::string name, ChildSpec spec,
                               std::vector<std::string> secrets)
    : executor_(executor),
      name_(std::move(name)),
      spec_(std::move(spec)),
      secrets_(std::move(secrets)),
      input_(executor),
      output_(executor),
      errors_(executor),
      exit_(executor),
      exited_(executor) {}

StdioTransport::~StdioTransport() = default;

AsyncStatus StdioTransport::Start(McpTransportEvents events) {
  auto self = shared_from_this();
  events_ = std::move(events);
  CO_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(spec_));
  Assign(input_, std::move(child.input));
  Assign(output_, std::move(child.output));
  Assign(errors_, std::move(child.errors));
  Assign(exit_, FileDescriptor(fcntl(child.exit_descriptor(), F_DUPFD_CLOEXEC, 0)));
  spdlog::info("mcp.{}: started {} as process {}", name_, spec_.command, child.pid());
  child_.emplace(std::move(child));
  exited_.expires_at(std::chrono::steady_clock::time_point::max());
  asio::co_spawn(executor_, ReadMessages(), asio::detached);
  asio::co_spawn(executor_, ReadErrors(), asio::detached);
  asio::co_spawn(executor_, WaitForExit(), asio::detached);
  co_return absl::OkStatus();
}

asio::awaitable<void> StdioTransport::ReadMessages() {
  auto self = shared_from_this();
  std::string pending;
  std::string piece(kPiece, '\0');
  asio::error_code error;
  while (!closed_) {
    const size_t size = co_await output_.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    SplitLines(pending, std::string_view(piece).substr(0, size),
               [this](std::string line) { TakeLine(std::move(line)); });
    if (pending.size() > kMaxRpcMessage) {
      Close(Error(Reason::kToolFailed,
                  fmt::format("the MCP server {} sent a message of more than {} bytes", name_,
                              kMaxRpcMessage),
                  {{"server", name_}}));
    }
  }
  // Its end is told by WaitForExit, with how it came; a server that closes its output alone is
  // told to end.
  if (!closed_ && child_.has_value()) child_->Signal(SIGTERM);
}

void StdioTransport::TakeLine(std::string line) {
  if (closed_) return;
  if (line.size() > kMaxRpcMessage) return LogLine("(a message over the limit was left out)");
  // A server may repeat the keys that it was given.
  auto message = ParseJson(WithoutSecrets(line, secrets_), "the server's message");
  if (!message.ok()) return LogLine("(no message on its standard output:) " + line);
  events_.on_message(*std::move(message), 0);
}

asio::awaitable<void> StdioTransport::ReadErrors() {
  auto self = shared_from_this();
  std::string pending;
  std::string piece(kPiece, '\0');
  asio::error_code error;
  for (;;) {
    const size_t size = co_await errors_.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    SplitLines(pending, std::string_view(piece).substr(0, size),
               [this](const std::string& line) { LogLine(line); });
    if (pending.size() > kMaxErrorLine) LogLine(std::exchange(pending, std::string()));
  }
  if (!pending.empty()) LogLine(pending);
}

void StdioTransport::LogLine(const std::string& line) {
  const std::string shown = PlainText(WithoutSecrets(line, secrets_), kMaxLoggedLine);
  last_words_ = shown;
  const absl::Time now = SteadyNow();
  if (now - minute_ > absl::Minutes(1)) {
    minute_ = now;
    logged_lines_ = 0;
  }
  if (logged_lines_ > kMaxLinesAMinute) return;
  if (++logged_lines_ > kMaxLinesAMinute) {
    spdlog::info("mcp.{}: more than {} lines within a minute: the rest is left out", name_,
                 kMaxLinesAMinute);
    return;
  }
  spdlog::info("mcp.{}: {}", name_, shown);
}

asio::awaitable<void> StdioTransport::WaitForExit() {
  auto self = shared_from_this();
  asio::error_code error;
  co_await exit_.async_wait(asio::posix::stream_descriptor::wait_read,
                            asio::redirect_error(asio::use_awaitable, error));
  exited_.cancel();
  exited_.expires_at(std::chrono::steady_clock::time_point::min());
  if (closed_ || !child_.has_value()) co_return;
  const std::string how = child_->Reap();
  std::string said;
  if (!last_words_.empty()) said = fmt::format("; it said: {}", last_words_);
  Close(Error(Reason::kToolFailed, fmt::format("the MCP server {} ended ({}){}", name_, how, said),
              {{"server", name_}}));
}

void StdioTransport::Close(absl::Status why) {
  if (std::exchange(closed_, true)) return;
  if (child_.has_value()) child_->Signal(SIGKILL);
  if (events_.on_closed) events_.on_closed(std::move(why));
}

AsyncStatus StdioTransport::Send(Json message, McpSendOptions) {
  std::string line = DumpJson(message);
  if (line.size() > kMaxRpcMessage) {
    co_return Error(Reason::kToolFailed,
                    fmt::format("a message to the MCP server {} would have {} bytes; {} are "
                                "allowed",
                                name_, line.size(), kMaxRpcMessage),
                    {{"server", name_}});
  }
  if (closed_) {
    co_return Error(Reason::kToolFailed, fmt::format("the MCP server {} has ended", name_),
                    {{"server", name_}});
  }
  if (queued_bytes_ + line.size() > kMaxQueuedBytes) {
    co_return Error(Reason::kQueueFull,
                    fmt::format("the MCP server {} does not read what it is sent", name_),
                    {{"server", name_}});
  }
  line.push_back('\n');
  queued_bytes_ += line.size();
  queue_.push_back(std::move(line));
  if (!std::exchange(writing_, true)) asio::co_spawn(executor_, WriteQueued(), asio::detached);
  co_return absl::OkStatus();
}

asio::awaitable<void> StdioTransport::WriteQueued() {
  auto self = shared_from_this();
  asio::error_code error;
  while (!queue_.empty() && !error) {
    const std::string line = std::move(queue_.front());
    queue_.pop_front();
    co_await asio::async_write(input_, asio::buffer(line),
                               asio::redirect_error(asio::use_awaitable, error));
    queued_bytes_ -= line.size();
  }
  writing_ = false;
  // A pipe that broke is followed by the end of the process, which tells more.
}

AsyncStatus StdioTransport::Stop() {
  auto self = shared_from_this();
  closed_ = true;
  events_ = McpTransportEvents();
  asio::error_code ignored;
  input_.close(ignored);
  if (child_.has_value()) {
    for (const absl::Duration patience : {kExitPatience, kTermPatience}) {
      if (exited_.expiry() == std::chrono::steady_clock::time_point::min()) break;
      exited_.expires_after(absl::ToChronoNanoseconds(patience));
      co_await exited_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      if (exited_.expiry() != std::chrono::steady_clock::time_point::min()) child_->Signal(SIGTERM);
    }
    const std::string how = child_->Reap();
    if (!how.empty()) spdlog::info("mcp.{}: ended ({})", name_, how);
    child_.reset();
  }
  output_.close(ignored);
  errors_.close(ignored);
  exit_.close(ignored);
  co_return absl::OkStatus();
}

}  // namespace troupe
