#include "tools/mcp/mcp_hub.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <future>

#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "tools/base/steady_time.h"
#include "tools/mcp/mcp_server.h"

namespace troupe {
namespace {

// Beyond what a server's own time-outs allow: nothing waits without an end.
constexpr absl::Duration kStartMargin = absl::Seconds(5);
constexpr absl::Duration kStopPatience = absl::Seconds(6);

// Counts down to nothing, from several threads.
class Latch {
 public:
  explicit Latch(size_t count) : count_(count) {}
  void CountDown() {
    MutexLock lock(&mutex_);
    --count_;
  }
  bool Wait(absl::Duration time) {
    MutexLock lock(&mutex_);
    const auto done = [this] { return count_ == 0; };
    return mutex_.AwaitWithTimeout(Condition(&done), time);
  }

 private:
  Mutex mutex_;
  size_t count_;
};

}  // namespace

McpHub::McpHub(std::vector<McpServerConfig> servers, std::filesystem::path folder,
               ToolRegistry* registry)
    : configs_(std::move(servers)),
      folder_(std::move(folder)),
      registry_(registry),
      work_(asio::make_work_guard(io_)) {}

McpHub::~McpHub() { Stop(); }

void McpHub::Start() {
  if (configs_.empty()) return;
  http_ = std::make_unique<HttpClient>();
  auto first_tries = std::make_shared<Latch>(configs_.size());
  absl::Duration patience = kStartMargin;
  for (const McpServerConfig& config : configs_) {
    auto server =
        std::make_shared<McpServer>(io_.get_executor(), config, http_.get(), registry_, folder_);
    const bool known = server->knows_tools();
    if (!known) patience = std::max(patience, config.start_time + kStartMargin);
    asio::post(io_, [server, known, first_tries] {
      server->Start([known, first_tries] {
        if (!known) first_tries->CountDown();
      });
      // By now the tools that are remembered are in the registry.
      if (known) first_tries->CountDown();
    });
    servers_.push_back(std::move(server));
  }
  thread_ = std::thread([this] { io_.run(); });
  if (!first_tries->Wait(patience)) spdlog::warn("mcp: not all servers were reached in time");
}

void McpHub::Stop() {
  if (!thread_.joinable()) return;
  auto ended = std::make_shared<Latch>(servers_.size());
  for (const auto& server : servers_) {
    asio::co_spawn(io_, server->Stop(),
                   [ended](const std::exception_ptr&, const absl::Status&) { ended->CountDown(); });
  }
  if (!ended->Wait(kStopPatience)) spdlog::warn("mcp: not all servers ended in time");
  work_.reset();
  io_.stop();
  thread_.join();
  http_.reset();
  servers_.clear();
}

absl::Status McpHub::Accept(const std::string& server, const std::string& sha256) {
  for (const auto& known : servers_) {
    if (known->config().name != server) continue;
    auto result = std::make_shared<std::promise<absl::Status>>();
    asio::post(io_, [known, sha256, result] { result->set_value(known->Accept(sha256)); });
    return result->get_future().get();
  }
  return Error(Reason::kNotFound, fmt::format("there is no MCP server '{}'", server),
               {{"server", server}});
}

}  // namespace troupe
