#include "tools/mcp/mcp_peer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr size_t kMaxPending = 4096;
constexpr size_t kMaxQuestions = 64;
constexpr size_t kMaxShown = 300;

constexpr char kLostKey[] = "lost";

absl::Status LostReply(const absl::Status& why) {
  ErrorMetadata metadata = MetadataOf(why);
  metadata[kLostKey] = "reply";
  return Error(ReasonOf(why).value_or(Reason::kToolFailed), MessageOf(why), std::move(metadata));
}

int64_t CodeFor(const absl::Status& refusal) {
  if (refusal.code() == absl::StatusCode::kUnimplemented) return kRpcMethodNotFound;
  if (refusal.code() == absl::StatusCode::kInvalidArgument) return kRpcInvalidParams;
  return kRpcInternalError;
}

}  // namespace

bool IsLostReply(const absl::Status& status) { return MetadataOf(status).contains(kLostKey); }

struct McpPeer::Pending {
  int64_t id = 0;
  McpRequest request;
  Done<Json> done;
  std::shared_ptr<CancelSource> exchange;  // ends the exchange over HTTP
  std::unique_ptr<asio::steady_timer> timer;
  absl::Time quiet_since;
  absl::Time started;
  int questions = 0;  // that are being answered: the clock stands still meanwhile
  absl::Time asked_since;
  double progress = -1;

  absl::Time Deadline() const {
    return std::min(quiet_since + request.quiet_time, started + request.max_time);
  }
};

McpPeer::McpPeer(asio::any_io_executor executor, std::string name,
                 std::shared_ptr<McpTransport> transport)
    : executor_(std::move(executor)), name_(std::move(name)), transport_(std::move(transport)) {}

AsyncStatus McpPeer::Start(Events events) {
  events_ = std::move(events);
  McpTransportEvents transport_events;
  std::weak_ptr<McpPeer> weak = weak_from_this();
  transport_events.on_message = [weak](const Json& message, int64_t origin) {
    if (auto self = weak.lock()) self->Take(message, origin);
  };
  transport_events.on_closed = [weak](absl::Status why) {
    if (auto self = weak.lock()) self->Closed(std::move(why));
  };
  co_return co_await transport_->Start(std::move(transport_events));
}

void McpPeer::Close() {
  Closed(Error(Reason::kToolFailed, fmt::format("the MCP server {} is closed", name_),
               {{"server", name_}}));
}

AsyncStatus McpPeer::Stop() {
  auto self = shared_from_this();
  events_ = Events();
  Close();
  co_return co_await transport_->Stop();
}

void McpPeer::Closed(absl::Status why) {
  if (std::exchange(closed_, true)) return;
  why_closed_ = why;
  const absl::Status lost = LostReply(why);
  while (!pending_.empty()) Complete(pending_.begin()->first, lost);
  if (events_.on_closed) events_.on_closed(std::move(why));
}

Async<Json> McpPeer::Request(McpRequest request) {
  auto self = shared_from_this();
  if (closed_) co_return why_closed_;
  CO_RETURN_IF_ERROR(request.cancel.status());
  if (pending_.size() >= kMaxPending) {
    co_return Error(
        Reason::kQueueFull,
        fmt::format("{} requests to the MCP server {} are under way", kMaxPending, name_),
        {{"server", name_}});
  }
  auto pending = std::make_shared<Pending>();
  pending->id = ++last_id_;
  pending->request = std::move(request);
  Json params = std::move(pending->request.params);
  for (const auto& [key, value] : meta_.items()) params["_meta"][key] = value;
  if (pending->request.on_progress) params["_meta"]["progressToken"] = pending->id;
  // The cancelling thread is any.
  const auto registration =
      pending->request.cancel.OnCancel([weak = weak_from_this(), executor = executor_,
                                        id = pending->id, cancel = pending->request.cancel] {
        asio::post(executor, [weak, id, cancel] {
          if (auto peer = weak.lock()) peer->GiveUp(id, cancel.status());
        });
      });
  McpPeer* const peer = this;
  co_return co_await Suspend<Json>([&](Done<Json> done) {
    pending->done = std::move(done);
    peer->Begin(pending, std::move(params));
  });
}

void McpPeer::Begin(const std::shared_ptr<Pending>& pending, Json params) {
  const int64_t id = pending->id;
  pending_[id] = pending;
  pending->exchange = std::make_shared<CancelSource>();
  pending->started = pending->quiet_since = SteadyNow();
  pending->timer = std::make_unique<asio::steady_timer>(executor_);
  Watch(pending);
  McpSendOptions options{pending->request.headers, pending->exchange->token()};
  const bool streams = transport_->has_reply_streams();
  asio::co_spawn(
      executor_,
      transport_->Send(RpcRequest(id, pending->request.method, std::move(params)),
                       std::move(options)),
      [weak = weak_from_this(), id, streams](const std::exception_ptr& raised, absl::Status sent) {
        auto peer = weak.lock();
        if (peer == nullptr) return;
        if (raised != nullptr) sent = Error(Reason::kInternal, "sending a message threw");
        if (sent.ok() && streams) {
          // The exchange is over: a reply has been taken already.
          sent = Error(
              Reason::kToolFailed,
              fmt::format("the MCP server {} ended its reply before it was complete", peer->name_),
              {{"server", peer->name_}, {kLostKey, "reply"}});
        }
        if (!sent.ok()) peer->Complete(id, sent);
      });
}

void McpPeer::Watch(const std::shared_ptr<Pending>& pending) {
  const absl::Duration left = pending->Deadline() - SteadyNow();
  pending->timer->expires_after(absl::ToChronoNanoseconds(std::min(left, absl::Hours(24))));
  pending->timer->async_wait(
      [weak = weak_from_this(),
       weak_pending = std::weak_ptr<Pending>(pending)](const asio::error_code& error) {
        auto peer = weak.lock();
        auto waiting = weak_pending.lock();
        if (error || peer == nullptr || waiting == nullptr) return;
        if (waiting->questions > 0 || waiting->Deadline() > SteadyNow()) {
          // Looked at again when the questions are answered, or when the time has come.
          if (waiting->questions == 0) peer->Watch(waiting);
          return;
        }
        const bool quiet = waiting->quiet_since + waiting->request.quiet_time <= SteadyNow();
        peer->GiveUp(waiting->id,
                     Error(Reason::kDeadlineExceeded,
                           fmt::format("the MCP server {} {} {} of {}", peer->name_,
                                       quiet ? "gave no sign within" : "did not answer within",
                                       absl::FormatDuration(quiet ? waiting->request.quiet_time
                                                                  : waiting->request.max_time),
                                       waiting->request.method),
                           {{"server", peer->name_}}));
      });
}

void McpPeer::Complete(int64_t id, absl::StatusOr<Json> result) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const std::shared_ptr<Pending> pending = std::move(found->second);
  pending_.erase(found);
  std::erase_if(questions_, [id](const auto& question) { return question.second == id; });
  pending->timer->cancel();
  pending->done(std::move(result));
}

void McpPeer::GiveUp(int64_t id, const absl::Status& why) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const std::shared_ptr<Pending> pending = found->second;
  // What opens a connection may not be cancelled.
  const std::string& method = pending->request.method;
  const bool opening = method == "initialize" || method == "server/discover";
  if (!opening && !transport_->closing_cancels()) {
    SendLater(RpcNotification("notifications/cancelled",
                              {{"requestId", id}, {"reason", std::string(MessageOf(why))}}));
  }
  pending->exchange->Cancel(CancelReason::kAbandoned, "the request is given up");
  Complete(id, why);
}

void McpPeer::SendLater(Json message) {
  asio::co_spawn(executor_, transport_->Send(std::move(message), McpSendOptions()),
                 [self = shared_from_this()](const std::exception_ptr&, const absl::Status& sent) {
                   if (sent.ok()) return;
                   spdlog::debug("mcp.{}: not sent: {}", self->name_, MessageOf(sent));
                 });
}

AsyncStatus McpPeer::Notify(std::string method, Json params) {
  co_return co_await transport_->Send(RpcNotification(method, std::move(params)), McpSendOptions());
}

void McpPeer::Take(const Json& value, int64_t origin) {
  auto self = shared_from_this();
  auto message = ReadRpcMessage(value);
  if (!message.ok()) {
    spdlog::warn("mcp.{}: {}: {}", name_, MessageOf(message.status()),
                 PlainText(DumpJson(value), kMaxShown));
    return;
  }
  const int64_t id = message->id.is_number_integer() ? message->id.get<int64_t>() : 0;
  switch (message->kind) {
    case RpcMessage::Kind::kResult:
      return Complete(id, std::move(message->result));
    case RpcMessage::Kind::kError: {
      const auto found = pending_.find(id);
      if (found == pending_.end()) return;
      return Complete(id, RpcErrorStatus(name_, found->second->request.method, message->error));
    }
    case RpcMessage::Kind::kRequest:
      return TakeQuestion(*message, origin);
    case RpcMessage::Kind::kNotification:
      if (message->method == "notifications/progress") return TakeProgress(message->params);
      if (events_.on_notification) events_.on_notification(message->method, message->params);
  }
}

void McpPeer::TakeProgress(const Json& params) {
  const Json& token = JsonMember(params, "progressToken");
  const auto found = pending_.find(token.is_number_integer() ? token.get<int64_t>() : int64_t{0});
  if (found == pending_.end() || !found->second->request.on_progress) return;
  Pending& pending = *found->second;
  const double progress = JsonDouble(params, "progress", -1);
  // Only what rises is progress: a server must not keep a call alive by repeating itself.
  if (progress <= pending.progress) return;
  pending.progress = progress;
  pending.quiet_since = SteadyNow();
  pending.request.on_progress(params);
}

// Which of our requests a question of the server belongs to: the one on whose stream it came, or
// the only one that takes questions.
std::shared_ptr<McpPeer::Pending> McpPeer::OwnerOf(int64_t origin) const {
  std::shared_ptr<Pending> owner;
  for (const auto& [id, pending] : pending_) {
    if (!pending->request.on_question || (origin != 0 && origin != id)) continue;
    if (owner != nullptr) return nullptr;
    owner = pending;
  }
  return owner;
}

void McpPeer::TakeQuestion(const RpcMessage& message, int64_t origin) {
  if (message.method == "ping") return Reply(message.id, Json::object());
  if (questions_.size() >= kMaxQuestions) {
    return Reply(message.id, absl::ResourceExhaustedError("too many requests are open"));
  }
  if (auto owner = OwnerOf(origin)) {
    if (owner->questions++ == 0) owner->asked_since = SteadyNow();
    questions_[DumpJson(message.id)] = owner->id;
    return owner->request.on_question(message);
  }
  if (events_.on_request) return events_.on_request(message);
  Reply(message.id, absl::UnimplementedError("this client answers no requests"));
}

void McpPeer::Reply(const Json& id, absl::StatusOr<Json> result) {
  const auto question = questions_.find(DumpJson(id));
  if (question != questions_.end()) {
    const auto owner = pending_.find(question->second);
    questions_.erase(question);
    if (owner != pending_.end() && --owner->second->questions == 0) {
      const absl::Duration asked = SteadyNow() - owner->second->asked_since;
      owner->second->started += asked;
      owner->second->quiet_since = SteadyNow();
      Watch(owner->second);
    }
  }
  if (closed_) return;
  if (result.ok()) return SendLater(RpcResult(id, *std::move(result)));
  SendLater(RpcErrorReply(id, CodeFor(result.status()), MessageOf(result.status())));
}

}  // namespace troupe
