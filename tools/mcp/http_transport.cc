#include "tools/mcp/http_transport.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <utility>

#include "tools/base/error.h"
#include "tools/base/pause.h"
#include "tools/base/status_macros.h"
#include "tools/http/http_failure.h"
#include "tools/mcp/json_rpc.h"
#include "tools/mcp/mcp_headers.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr char kUnreachableKey[] = "unreachable";
constexpr int64_t kRpcServerError = -32000;  // of whoever speaks, with a meaning of its own
constexpr char kSessionLostKey[] = "session_lost";
// Time-outs are the business of whoever sent the request: it cancels the exchange.
constexpr absl::Duration kUnlimited = absl::Hours(24 * 30);
constexpr absl::Duration kConnectTime = absl::Seconds(10);
constexpr absl::Duration kFarewellTime = absl::Seconds(3);
constexpr int64_t kMaxReplyBytes = 4 * int64_t{kMaxRpcMessage};
constexpr int64_t kMaxListenBytes = int64_t{1} << 30;
constexpr absl::Duration kFirstWait = absl::Seconds(1);
constexpr absl::Duration kLongestWait = absl::Seconds(30);
constexpr int kMaxResumptions = 5;  // of a stream that brings nothing new
constexpr size_t kMaxSession = 512;
constexpr size_t kMaxShownBody = 500;

std::string WithoutQuery(const std::string& url) { return url.substr(0, url.find_first_of("?#")); }

bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

bool IsSessionLost(const absl::Status& status) {
  return MetadataOf(status).contains(kSessionLostKey);
}

bool IsUnreachable(const absl::Status& status) {
  return MetadataOf(status).contains(kUnreachableKey);
}

// One request with what comes back.
struct HttpTransport::Exchange {
  int64_t origin = 0;  // the id of a request; 0: another message, or the stream that is listened to
  bool answered = false;  // the reply to it has come
  bool is_stream = false;
  bool brought = false;  // an event came since the stream was opened
  std::string body;      // of a reply that is no stream
  std::string last_event;
  int64_t retry_milliseconds = -1;
  std::unique_ptr<SseParser> parser;
};

HttpTransport::HttpTransport(asio::any_io_executor executor, HttpClient* http,
                             const McpServerConfig& config)
    : executor_(std::move(executor)), http_(http), config_(config) {}

AsyncStatus HttpTransport::Start(McpTransportEvents events) {
  events_ = std::move(events);
  co_return absl::OkStatus();
}

void HttpTransport::SetVersion(McpEra era, std::string version) {
  era_ = era;
  version_ = std::move(version);
}

HttpRequest HttpTransport::MakeRequest(const std::string& method,
                                       const std::shared_ptr<Exchange>& exchange) {
  HttpRequest request;
  request.method = method;
  request.url = config_.url;
  request.headers.assign(config_.headers.begin(), config_.headers.end());
  request.headers.emplace_back(
      "Accept", method == "POST" ? "application/json, text/event-stream" : "text/event-stream");
  if (!version_.empty()) request.headers.emplace_back("MCP-Protocol-Version", version_);
  if (!session_.empty()) request.headers.emplace_back("Mcp-Session-Id", session_);
  request.timeouts = {kConnectTime, kUnlimited, kUnlimited, kUnlimited};
  request.max_response_bytes = kMaxReplyBytes;
  // Called on the client's thread; what is posted there comes before the end of the exchange.
  std::weak_ptr<HttpTransport> weak = weak_from_this();
  request.on_headers = [weak, executor = executor_, exchange](const HttpResponse& response) {
    asio::post(executor, [weak, exchange, response] {
      if (auto self = weak.lock()) self->TakeHeaders(*exchange, response);
    });
  };
  request.on_data = [weak, executor = executor_, exchange](std::string_view bytes) {
    asio::post(executor, [weak, exchange, bytes = std::string(bytes)] {
      if (auto self = weak.lock()) self->TakeData(*exchange, bytes);
    });
    return true;
  };
  return request;
}

void HttpTransport::TakeHeaders(Exchange& exchange, const HttpResponse& response) {
  const std::string session(response.header("mcp-session-id"));
  if (era_ != McpEra::kModern && session_.empty() && session.size() <= kMaxSession &&
      IsVisible(session)) {
    session_ = session;
  }
  exchange.is_stream = response.header("content-type").starts_with("text/event-stream");
  if (!exchange.is_stream) return;
  exchange.brought = false;
  exchange.parser = std::make_unique<SseParser>([this, &exchange](const SseEvent& event) {
    exchange.brought = true;
    // An event without data only tells its id, with which the stream can be taken up again.
    if (event.name == "message" && !event.data.empty()) Deliver(exchange, event.data);
  });
}

void HttpTransport::TakeData(Exchange& exchange, const std::string& bytes) {
  if (closed_) return;
  if (!exchange.is_stream) {
    exchange.body += bytes;
    return;
  }
  if (const absl::Status fed = exchange.parser->Feed(bytes); !fed.ok()) {
    spdlog::warn("mcp.{}: {}", config_.name, MessageOf(fed));
    exchange.is_stream = false;
    return;
  }
  if (!exchange.parser->last_id().empty()) exchange.last_event = exchange.parser->last_id();
  if (exchange.parser->retry_milliseconds() >= 0) {
    exchange.retry_milliseconds = exchange.parser->retry_milliseconds();
  }
}

void HttpTransport::Deliver(Exchange& exchange, const std::string& text) {
  // A server may repeat the keys that it was sent.
  auto value = ParseJson(WithoutSecrets(text, config_.Secrets()), "the server's message");
  if (!value.ok()) {
    spdlog::warn("mcp.{}: {}", config_.name, PlainText(MessageOf(value.status()), kMaxShownBody));
    return;
  }
  // The revision 2025-03-26 had batches.
  const Json messages = value->is_array() ? *value : Json::array({*value});
  for (const Json& message : messages) {
    const bool reply = message.is_object() && !message.contains("method") &&
                       JsonMember(message, "id") == Json(exchange.origin);
    exchange.answered = exchange.answered || reply;
    if (events_.on_message) events_.on_message(message, exchange.origin);
  }
}

AsyncStatus HttpTransport::Send(Json message, McpSendOptions options) {
  auto self = shared_from_this();
  auto exchange = std::make_shared<Exchange>();
  const std::string method = JsonString(message, "method");
  if (!method.empty()) exchange->origin = JsonInt(message, "id");
  HttpRequest request = MakeRequest("POST", exchange);
  request.headers.emplace_back("Content-Type", "application/json");
  if (era_ == McpEra::kModern && !method.empty()) {
    request.headers.emplace_back("Mcp-Method", method);
    const std::string name = JsonString(JsonMember(message, "params"), "name");
    if (method == "tools/call") request.headers.emplace_back("Mcp-Name", McpHeaderValue(name));
  }
  for (auto& header : options.headers) request.headers.push_back(std::move(header));
  request.body = DumpJson(message);
  CancelSource either(options.cancel);
  const auto stopping =
      stop_.token().OnCancel([&either] { either.Cancel(CancelReason::kShutdown, "closing"); });
  auto response = co_await http_->Send(std::move(request), either.token());
  CO_RETURN_IF_ERROR(either.token().status());
  const bool may_resume =
      era_ == McpEra::kLegacy && exchange->origin != 0 && !exchange->last_event.empty();
  if (!response.ok() && !may_resume) {
    co_return Error(Reason::kToolFailed,
                    fmt::format("the MCP server {} at {} cannot be reached: {}", config_.name,
                                WithoutQuery(config_.url), MessageOf(response.status())),
                    {{"server", config_.name},
                     {WasNotSent(response.status()) ? kUnreachableKey : "lost", "true"}});
  }
  if (response.ok()) CO_RETURN_IF_ERROR(TakeResponse(*exchange, method, *response));
  if (exchange->origin == 0 || exchange->answered || !may_resume) co_return absl::OkStatus();
  co_return co_await Resume(std::move(exchange), either.token());
}

absl::Status HttpTransport::TakeResponse(Exchange& exchange, const std::string& method,
                                         const HttpResponse& response) {
  if (response.status == 200) {
    if (!exchange.is_stream && !exchange.body.empty()) Deliver(exchange, exchange.body);
    return absl::OkStatus();
  }
  if (response.status == 202 || response.status == 204) return absl::OkStatus();
  return Refused(exchange, method, response);
}

absl::Status HttpTransport::Refused(Exchange& exchange, const std::string& method,
                                    const HttpResponse& response) {
  const std::string text = WithoutSecrets(response.body, config_.Secrets());
  // A refusal may be an error of JSON-RPC, with the request's id or without one.
  RpcMessage message;
  if (auto body = ParseJson(text, "the server's reply"); body.ok()) {
    if (auto read = ReadRpcMessage(*body); read.ok()) message = *std::move(read);
  }
  const bool is_error = message.kind == RpcMessage::Kind::kError;
  // The protocol asks for 404; the reference server answers otherwise.
  const bool lost = response.status == 404 ||
                    (response.status == 400 && is_error && message.error.code == kRpcServerError);
  if (lost && !session_.empty()) return SessionLost();
  if (is_error) {
    exchange.answered = true;
    return RpcErrorStatus(config_.name, method, message.error);
  }
  const bool key = response.status == 401 || response.status == 403;
  return Error(Reason::kToolFailed,
               fmt::format("the MCP server {} answered {} with HTTP status {}{}: {}", config_.name,
                           method.empty() ? "a reply" : method, response.status,
                           key ? " (are its headers_from_env or headers_from_file right?)" : "",
                           PlainText(text, kMaxShownBody)),
               {{"server", config_.name}, {"http_status", std::to_string(response.status)}});
}

absl::Status HttpTransport::SessionLost() {
  const absl::Status lost = Error(
      Reason::kToolFailed, fmt::format("the MCP server {} has forgotten the session", config_.name),
      {{"server", config_.name}, {kSessionLostKey, "true"}});
  if (!std::exchange(closed_, true)) {
    // Behind the failure of this message, which is known to have had no effect.
    asio::post(executor_, [weak = weak_from_this(), lost] {
      auto self = weak.lock();
      if (self != nullptr && self->events_.on_closed) self->events_.on_closed(lost);
    });
  }
  return lost;
}

// Takes a stream up again that broke off before the reply.
AsyncStatus HttpTransport::Resume(std::shared_ptr<Exchange> exchange, CancelToken cancel) {
  auto self = shared_from_this();
  for (int tries = 0; !exchange->answered && tries < kMaxResumptions; ++tries) {
    const absl::Duration wait = exchange->retry_milliseconds >= 0
                                    ? absl::Milliseconds(exchange->retry_milliseconds)
                                    : kFirstWait * (1 << tries);
    CO_RETURN_IF_ERROR(co_await Pause(std::min(wait, kLongestWait), cancel));
    HttpRequest request = MakeRequest("GET", exchange);
    request.headers.emplace_back("Last-Event-ID", exchange->last_event);
    exchange->brought = false;
    auto response = co_await http_->Send(std::move(request), cancel);
    CO_RETURN_IF_ERROR(cancel.status());
    if (response.ok()) CO_RETURN_IF_ERROR(TakeResponse(*exchange, "GET", *response));
    if (exchange->brought) tries = 0;
  }
  co_return absl::OkStatus();
}

void HttpTransport::Listen() { asio::co_spawn(executor_, ListenUntilStopped(), asio::detached); }

asio::awaitable<void> HttpTransport::ListenUntilStopped() {
  auto self = shared_from_this();
  const CancelToken stop = stop_.token();
  auto exchange = std::make_shared<Exchange>();
  absl::Duration wait = kFirstWait;
  while (!stop.cancelled() && !closed_) {
    HttpRequest request = MakeRequest("GET", exchange);
    request.max_response_bytes = kMaxListenBytes;
    if (!exchange->last_event.empty()) {
      request.headers.emplace_back("Last-Event-ID", exchange->last_event);
    }
    exchange->brought = false;
    auto response = co_await http_->Send(std::move(request), stop);
    // A server need not offer this stream.
    if (response.ok() && response->status != 200) co_return;
    wait = exchange->brought ? kFirstWait : std::min(2 * wait, kLongestWait);
    if (exchange->retry_milliseconds >= 0) {
      wait =
          std::min(std::max(wait, absl::Milliseconds(exchange->retry_milliseconds)), kLongestWait);
    }
    if (!(co_await Pause(wait, stop)).ok()) co_return;
  }
}

AsyncStatus HttpTransport::Stop() {
  auto self = shared_from_this();
  closed_ = true;
  events_ = McpTransportEvents();
  stop_.Cancel(CancelReason::kShutdown, "the connection is closed");
  if (session_.empty()) co_return absl::OkStatus();
  auto nothing = std::make_shared<Exchange>();
  HttpRequest request = MakeRequest("DELETE", nothing);
  request.timeouts = {kFarewellTime, kFarewellTime, kFarewellTime, kFarewellTime};
  CancelToken never;
  const auto ended = co_await http_->Send(std::move(request), never);
  // A server may refuse to end a session (405), or be gone.
  if (!ended.ok()) spdlog::debug("mcp.{}: DELETE: {}", config_.name, MessageOf(ended.status()));
  co_return absl::OkStatus();
}

}  // namespace troupe
