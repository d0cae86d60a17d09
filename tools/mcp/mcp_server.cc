#include "tools/mcp/mcp_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <set>

#include "tools/base/error.h"
#include "tools/base/pause.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/mcp/http_transport.h"
#include "tools/mcp/mcp_question.h"
#include "tools/mcp/mcp_tool.h"
#include "tools/mcp/plain_text.h"
#include "tools/mcp/stdio_transport.h"

namespace troupe {
namespace {

constexpr absl::Duration kFirstWait = absl::Seconds(1);
constexpr absl::Duration kLongestWait = absl::Seconds(60);
// A server that was given up is tried again for a call, but not more often than this.
constexpr absl::Duration kRevivalWait = absl::Seconds(60);
// What ran for so long, or served a call, is not in a loop of crashes.
constexpr absl::Duration kLongUp = absl::Minutes(5);
constexpr int kMaxWaiting = 2000;
constexpr size_t kMaxLogged = 500;

absl::Duration WaitAfter(int failures) {
  return std::min(kFirstWait * (1 << std::min(failures - 1, 10)), kLongestWait);
}

}  // namespace

McpServer::McpServer(asio::any_io_executor executor, McpServerConfig config, HttpClient* http,
                     ToolRegistry* registry, const std::filesystem::path& folder)
    : executor_(std::move(executor)),
      config_(std::move(config)),
      http_(http),
      registry_(registry),
      memory_(folder, config_),
      breakers_(config_.name) {}

void McpServer::Start(std::function<void()> first_try) {
  OfferTools();
  serving_ = true;
  asio::co_spawn(executor_, Serve(std::move(first_try)), asio::detached);
}

asio::awaitable<void> McpServer::Serve(std::function<void()> first_try) {
  auto self = shared_from_this();
  const CancelToken stop = stop_.token();
  while (!stop.cancelled()) {
    state_ = State::kConnecting;
    served_ = false;
    last_attempt_ = SteadyNow();
    const absl::Status connected = co_await Connect();
    if (connected.ok()) {
      state_ = State::kReady;
      last_failure_ = absl::OkStatus();
    } else {
      last_failure_ = connected;
    }
    Changed();
    if (first_try) std::exchange(first_try, nullptr)();
    while (state_ == State::kReady && !stop.cancelled() && !peer_->closed()) {
      (co_await WaitForChange(absl::InfiniteFuture(), stop)).IgnoreError();
    }
    if (auto peer = std::exchange(peer_, nullptr)) (co_await peer->Stop()).IgnoreError();
    if (stop.cancelled()) break;
    const bool lasted = served_ || SteadyNow() - last_attempt_ > kLongUp;
    failures_ = lasted ? 1 : failures_ + 1;
    // A remote server costs nothing while it is away, and is waited for without an end.
    const bool give_up = config_.url.empty() && failures_ > config_.restarts;
    state_ = give_up ? State::kGivenUp : State::kWaiting;
    const absl::Duration wait = WaitAfter(failures_);
    spdlog::warn("mcp.{}: {}; {}", config_.name, PlainText(MessageOf(last_failure_), kMaxLogged),
                 give_up ? "it is left alone until a call needs it"
                         : fmt::format("next try in {}", absl::FormatDuration(wait)));
    Changed();
    const absl::Time next = give_up ? absl::InfiniteFuture() : SteadyNow() + wait;
    while (SteadyNow() < next && !stop.cancelled() && !(give_up && state_ == State::kConnecting)) {
      (co_await WaitForChange(next, stop)).IgnoreError();
    }
  }
  state_ = State::kStopped;
  serving_ = false;
  Changed();
}

std::shared_ptr<McpTransport> McpServer::MakeTransport() {
  if (!config_.url.empty()) return std::make_shared<HttpTransport>(executor_, http_, config_);
  ChildSpec spec{config_.command, config_.args, config_.env, config_.cwd};
  return std::make_shared<StdioTransport>(executor_, config_.name, std::move(spec),
                                          config_.Secrets());
}

AsyncStatus McpServer::Connect() {
  auto self = shared_from_this();
  auto peer = std::make_shared<McpPeer>(executor_, config_.name, MakeTransport());
  peer_ = peer;
  McpPeer::Events events;
  std::weak_ptr<McpServer> weak = weak_from_this();
  events.on_closed = [weak](absl::Status why) {
    auto server = weak.lock();
    if (server == nullptr) return;
    server->last_failure_ = std::move(why);
    server->Changed();
  };
  events.on_notification = [weak](const std::string& method, const Json& params) {
    auto server = weak.lock();
    if (server == nullptr) return;
    if (method == "notifications/tools/list_changed") {
      asio::co_spawn(server->executor_, server->RefreshWhenAsked(), asio::detached);
    } else if (method == "notifications/message") {
      spdlog::debug("mcp.{}: {}", server->config_.name,
                    PlainText(DumpJson(JsonMember(params, "data")), kMaxLogged));
    }
  };
  events.on_request = [weak, raw = std::weak_ptr<McpPeer>(peer)](const RpcMessage& request) {
    auto server = weak.lock();
    auto asked = raw.lock();
    if (server == nullptr || asked == nullptr) return;
    if (request.method == "roots/list") {
      return asked->Reply(request.id, McpRoots(server->config_, nullptr));
    }
    asked->Reply(request.id,
                 absl::InvalidArgumentError(
                     "it is not clear which of the calls under way this belongs to; with "
                     "concurrency = 1 in the configuration of this server there is only one"));
  };
  CO_RETURN_IF_ERROR(co_await peer->Start(std::move(events)));
  const McpEra wanted = config_.era != McpEra::kAuto ? config_.era
                        : legacy_hint_               ? McpEra::kLegacy
                                                     : memory_.era();
  probing_ = wanted == McpEra::kAuto;
  auto session = co_await OpenMcpSession(peer, config_, wanted, config_.start_time);
  if (!session.ok()) {
    // A server of the legacy era may end when it is asked what it does not know; and what is
    // remembered of a server may be out of date.
    legacy_hint_ = std::exchange(probing_, false) && peer->closed() && config_.url.empty();
    if (!IsUnreachable(session.status())) memory_.SetEra(McpEra::kAuto);
    co_return session.status();
  }
  session_ = *std::move(session);
  memory_.SetEra(session_.era);
  // What it tells of changes meanwhile is looked at afterwards, so that an older list never comes
  // behind a newer one.
  refreshing_ = true;
  refresh_asked_ = false;
  const absl::Status refreshed = co_await RefreshTools();
  refreshing_ = false;
  CO_RETURN_IF_ERROR(refreshed);
  if (refresh_asked_) asio::co_spawn(executor_, RefreshWhenAsked(), asio::detached);
  spdlog::info("mcp.{}: {} speaks {} ({}) and has {} tools", config_.name, session_.server,
               session_.version, McpEraName(session_.era), offered_.size());
  if (session_.era == McpEra::kLegacy) peer->transport().Listen();
  const bool changes = JsonBool(JsonObject(session_.capabilities, "tools"), "listChanged");
  if (session_.era == McpEra::kModern && changes) {
    asio::co_spawn(executor_, ListenForChanges(peer), asio::detached);
  }
  co_return absl::OkStatus();
}

// In the modern era a server tells of changes in the reply to a request that stays open.
asio::awaitable<void> McpServer::ListenForChanges(std::shared_ptr<McpPeer> peer) {
  auto self = shared_from_this();
  int failures = 0;
  while (!peer->closed() && !stop_.token().cancelled()) {
    McpRequest request;
    request.method = "subscriptions/listen";
    request.params = {{"notifications", {{"toolsListChanged", true}}}};
    request.quiet_time = request.max_time = absl::InfiniteDuration();
    request.cancel = stop_.token();
    const absl::Time begun = SteadyNow();
    const auto ended = co_await peer->Request(std::move(request));
    // A server that does not know this tells of no changes.
    if (!ended.ok() && RpcCodeOf(ended.status()) != 0) co_return;
    failures = SteadyNow() - begun > kLongestWait ? 1 : failures + 1;
    if (!(co_await Pause(WaitAfter(failures), stop_.token())).ok()) co_return;
    // What changed while nobody listened.
    if (!peer->closed()) co_await RefreshWhenAsked();
  }
}

asio::awaitable<void> McpServer::RefreshWhenAsked() {
  auto self = shared_from_this();
  refresh_asked_ = true;
  if (std::exchange(refreshing_, true)) co_return;
  while (refresh_asked_ && peer_ != nullptr && !peer_->closed()) {
    refresh_asked_ = false;
    const absl::Status refreshed = co_await RefreshTools();
    if (!refreshed.ok()) {
      spdlog::warn("mcp.{}: its tools cannot be listed: {}", config_.name,
                   PlainText(MessageOf(refreshed), kMaxLogged));
    }
  }
  refreshing_ = false;
}

AsyncStatus McpServer::RefreshTools() {
  auto self = shared_from_this();
  auto peer = peer_;
  if (peer == nullptr) co_return absl::OkStatus();
  // A server without tools (it may have resources alone) need not know how to list them.
  std::vector<Json> listed;
  if (session_.capabilities.contains("tools")) {
    CO_ASSIGN_OR_RETURN(listed, co_await ListMcpTools(peer, config_.name, config_.start_time));
  }
  std::vector<McpDefinition> definitions;
  std::set<std::string> names;
  for (const Json& tool : listed) {
    auto definition = ReadMcpDefinition(tool);
    const std::string name = PlainText(JsonString(tool, "name"), kMaxLogged);
    if (!definition.ok() || !names.insert(definition->name).second) {
      spdlog::warn("mcp.{}: the tool '{}' is left out: {}", config_.name, name,
                   definition.ok() ? "its name stands twice" : MessageOf(definition.status()));
      continue;
    }
    const auto& wanted = config_.tools;
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) {
      definitions.push_back(*std::move(definition));
    }
  }
  memory_.SetTools(std::move(definitions));
  OfferTools();
  co_return absl::OkStatus();
}

// Makes the registry hold what is remembered.
void McpServer::OfferTools() {
  const std::vector<McpDefinition>& tools = memory_.tools();
  const std::vector<std::string> names = McpToolNames(config_.name, tools);
  std::map<std::string, std::string> offered;
  for (size_t i = 0; i < tools.size(); ++i) {
    const bool needs_approval = memory_.NeedsApproval(tools[i]);
    const std::string version = tools[i].sha256 + (needs_approval ? "?" : "");
    const auto before = offered_.find(names[i]);
    if (before != offered_.end() && before->second == version) {
      offered[names[i]] = version;
      continue;
    }
    auto tool = std::make_shared<McpTool>(shared_from_this(), tools[i],
                                          McpToolSpec(config_, tools[i], names[i], needs_approval));
    const absl::Status added =
        before == offered_.end() ? registry_->Add(tool) : registry_->Replace(tool);
    if (!added.ok()) {
      spdlog::warn("mcp.{}: {}", config_.name, PlainText(MessageOf(added), kMaxLogged));
      continue;
    }
    if (needs_approval) {
      spdlog::warn("mcp.{}: the definition of {} ({}) is not accepted yet; calls need approval",
                   config_.name, names[i], tools[i].sha256);
    }
    offered[names[i]] = version;
  }
  for (const auto& [name, version] : offered_) {
    if (!offered.contains(name)) registry_->Remove(name);
  }
  offered_ = std::move(offered);
}

absl::Status McpServer::Accept(const std::string& identity) {
  if (!memory_.Accept(identity)) {
    return Error(Reason::kNotFound,
                 fmt::format("no tool of the MCP server {} has the definition {}", config_.name,
                             PlainText(identity, 64)),
                 {{"server", config_.name}});
  }
  OfferTools();
  return absl::OkStatus();
}

void McpServer::Call(std::shared_ptr<McpCall> call) {
  asio::post(executor_, [self = shared_from_this(), call = std::move(call)]() mutable {
    asio::co_spawn(self->executor_, self->Carry(std::move(call)), asio::detached);
  });
}

asio::awaitable<void> McpServer::Carry(std::shared_ptr<McpCall> call) {
  auto self = shared_from_this();
  McpCallEvent end;
  // A call that met a session which the server had forgotten was not carried out: it is made again
  // in a new one.
  for (int tries = 0; tries < 2; ++tries) {
    auto peer = co_await WaitForTurn(call);
    if (!peer.ok()) {
      end.result = peer.status();
      break;
    }
    end.result = co_await Perform(*std::move(peer), call);
    --calls_;
    served_ = served_ || end.result.ok();
    if (call->cancel.cancelled() || (call->asked && !end.result.ok())) {
      breakers_.Abandon(call->tool);
    } else {
      breakers_.End(call->tool, end.result.status(), SteadyNow());
    }
    Changed();
    if (!IsSessionLost(end.result.status())) break;
  }
  call->Push(std::move(end));
}

absl::Status McpServer::WhyDown() const {
  if (state_ == State::kStopped || stop_.token().cancelled()) {
    return Error(Reason::kShuttingDown, "the server is closing");
  }
  return Error(Reason::kToolFailed,
               fmt::format("the MCP server {} is not there: {}", config_.name,
                           PlainText(MessageOf(last_failure_), kMaxLogged)),
               {{"server", config_.name}});
}

Async<std::shared_ptr<McpPeer>> McpServer::WaitForTurn(std::shared_ptr<McpCall> call) {
  auto self = shared_from_this();
  if (waiting_ >= kMaxWaiting) {
    co_return Error(Reason::kQueueFull,
                    fmt::format("{} calls wait for the MCP server {}", waiting_, config_.name),
                    {{"server", config_.name}});
  }
  if (state_ == State::kGivenUp && SteadyNow() - last_attempt_ > kRevivalWait) {
    state_ = State::kConnecting;
    Changed();
  }
  const absl::Time deadline = SteadyNow() + config_.start_time;
  ++waiting_;
  absl::Status waited;
  while (waited.ok()) {
    waited = breakers_.Refusal(call->tool, SteadyNow());
    if (!waited.ok()) break;
    const bool ready = state_ == State::kReady && peer_ != nullptr && !peer_->closed();
    const bool tried = breakers_.BeingTried(call->tool, SteadyNow());
    if (ready && !tried && calls_ < config_.concurrency) break;
    if (state_ == State::kGivenUp || state_ == State::kStopped || !serving_) {
      waited = WhyDown();
      break;
    }
    // A turn is waited for as long as the call may take, a server until it ought to be there.
    waited = co_await WaitForChange(ready ? absl::InfiniteFuture() : deadline, call->cancel);
    if (!ready && waited.ok() && SteadyNow() >= deadline) waited = WhyDown();
  }
  --waiting_;
  CO_RETURN_IF_ERROR(waited);
  ++calls_;
  breakers_.Begin(call->tool);
  co_return peer_;
}

Async<Json> McpServer::Perform(std::shared_ptr<McpPeer> peer, std::shared_ptr<McpCall> call) {
  McpRequest request;
  request.method = "tools/call";
  request.params = call->params;
  request.headers = call->headers;
  request.quiet_time = config_.timeout;
  request.max_time = config_.max_time;
  request.cancel = call->cancel;
  request.on_progress = [call](const Json& params) {
    McpCallEvent event;
    event.kind = McpCallEvent::Kind::kProgress;
    event.params = params;
    call->Push(std::move(event));
  };
  request.on_question = [call, executor = executor_,
                         weak = std::weak_ptr<McpPeer>(peer)](const RpcMessage& question) {
    call->asked = true;
    McpCallEvent event;
    event.kind = McpCallEvent::Kind::kQuestion;
    event.method = question.method;
    event.params = question.params;
    event.answer = [executor, weak, id = question.id](absl::StatusOr<Json> answer) {
      asio::post(executor, [weak, id, answer = std::move(answer)] {
        if (auto asked = weak.lock()) asked->Reply(id, answer);
      });
    };
    call->Push(std::move(event));
  };
  co_return co_await peer->Request(std::move(request));
}

AsyncStatus McpServer::Stop() {
  auto self = shared_from_this();
  stop_.Cancel(CancelReason::kShutdown, "the server is closing");
  // Serve, which is told by the failure of what it waits for, ends the connection.
  if (auto peer = peer_) peer->Close();
  Changed();
  CancelToken never;
  while (serving_) (co_await WaitForChange(absl::InfiniteFuture(), never)).IgnoreError();
  for (const auto& [name, version] : offered_) registry_->Remove(name);
  offered_.clear();
  co_return absl::OkStatus();
}

void McpServer::Changed() {
  for (const auto& waiter : waiters_) waiter->cancel();
}

AsyncStatus McpServer::WaitForChange(absl::Time deadline, CancelToken cancel) {
  auto self = shared_from_this();
  CO_RETURN_IF_ERROR(cancel.status());
  auto timer = std::make_shared<asio::steady_timer>(executor_);
  const absl::Duration left = std::min(deadline - SteadyNow(), absl::Hours(24));
  timer->expires_after(absl::ToChronoNanoseconds(left));
  const auto registration = cancel.OnCancel(
      [executor = executor_, timer] { asio::post(executor, [timer] { timer->cancel(); }); });
  waiters_.push_back(timer);
  asio::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  waiters_.remove(timer);
  co_return cancel.status();
}

}  // namespace troupe
