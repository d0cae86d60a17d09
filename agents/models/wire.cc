#include "agents/models/wire.h"

#include <absl/strings/numbers.h>
#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

#include "tools/base/error.h"
#include "tools/base/json.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxQuotedBody = 500;
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(10);

// The server's own words: {"error": {"message", "code", "type"}} or the beginning of the body.
struct ServerError {
  std::string message;
  std::string code;
};

ServerError ReadServerError(const std::string& body) {
  ServerError error;
  const auto value = ParseJson(body, "body");
  if (value.ok() && value->is_object() && value->contains("error")) {
    const Json& inner = (*value)["error"];
    if (inner.is_object()) {
      error.message = JsonString(inner, "message");
      error.code = JsonString(inner, "code", JsonString(inner, "type"));
    } else if (inner.is_string()) {
      error.message = inner.get<std::string>();
    }
  }
  if (error.message.empty()) error.message = body.substr(0, kMaxQuotedBody);
  return error;
}

bool MayRetry(const HttpResponse& response, const ServerError& error) {
  const std::string_view said = response.header("x-should-retry");
  if (said == "true") return true;
  if (said == "false") return false;
  if (error.code == "insufficient_quota") return false;  // a 429 that no waiting cures
  const int status = response.status;
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

}  // namespace

std::optional<absl::Duration> RetryAfterOf(const HttpResponse& response, absl::Time now) {
  double number = 0;
  std::optional<absl::Duration> wait;
  const std::string milliseconds(response.header("retry-after-ms"));
  const std::string after(response.header("retry-after"));
  if (!milliseconds.empty() && absl::SimpleAtod(milliseconds, &number)) {
    wait = absl::Milliseconds(number);
  } else if (!after.empty() && absl::SimpleAtod(after, &number)) {
    wait = absl::Seconds(number);
  } else if (!after.empty()) {
    const time_t date = curl_getdate(after.c_str(), nullptr);
    if (date != -1) wait = absl::FromTimeT(date) - now;
  }
  if (!wait.has_value() || *wait < absl::ZeroDuration()) return std::nullopt;
  return std::min(*wait, kMaxRetryAfter);
}

absl::Status RefusalOf(const HttpResponse& response, const ModelConfig& config, absl::Time now) {
  const ServerError error = ReadServerError(response.body);
  const bool retry = MayRetry(response, error);
  ErrorMetadata metadata = {{"model", config.name},
                            {"http_status", std::to_string(response.status)},
                            {kRetryKey, retry ? "true" : "false"}};
  if (!error.code.empty()) metadata["server_code"] = Redact(error.code, config.api_key);
  if (const auto wait = RetryAfterOf(response, now); wait.has_value()) {
    metadata[kRetryAfterKey] = std::to_string(absl::ToInt64Milliseconds(*wait));
  }
  return Error(retry ? Reason::kModelUnavailable : Reason::kModelRejected,
               fmt::format("the server of model '{}' answered {}: {}", config.name, response.status,
                           Redact(error.message, config.api_key)),
               std::move(metadata));
}

absl::Status TransportError(const absl::Status& status, const ModelConfig& config) {
  if (ReasonOf(status).has_value()) return status;  // cancelled, or the server closes
  const bool invalid = status.code() == absl::StatusCode::kInvalidArgument;
  return Error(invalid ? Reason::kModelRejected : Reason::kModelUnavailable,
               fmt::format("the server of model '{}' at {} gave no answer: {}", config.name,
                           config.url, Redact(std::string(status.message()), config.api_key)),
               {{"model", config.name}, {kRetryKey, invalid ? "false" : "true"}});
}

absl::Status BadReply(const ModelConfig& config, std::string_view what) {
  return Error(Reason::kModelBadReply,
               fmt::format("the server of model '{}' did not keep to its protocol: {}", config.name,
                           Redact(std::string(what), config.api_key)),
               {{"model", config.name}, {kRetryKey, "true"}});
}

Async<HttpResponse> PostForEvents(HttpClient* http, HttpRequest request, CancelToken cancel,
                                  std::function<absl::Status(const SseEvent&)> on_event) {
  // Shared, as the client's thread may still call back while this coroutine unwinds.
  struct State {
    absl::Status failure;
    std::unique_ptr<SseParser> parser;
  };
  auto state = std::make_shared<State>();
  state->parser = std::make_unique<SseParser>(
      [state = state.get(), on_event = std::move(on_event)](const SseEvent& event) {
        if (state->failure.ok()) state->failure = on_event(event);
      });
  request.on_data = [state](std::string_view bytes) {
    const absl::Status fed = state->parser->Feed(bytes);
    if (state->failure.ok()) state->failure = fed;
    return state->failure.ok();
  };
  auto response = co_await http->Send(std::move(request), std::move(cancel));
  CO_RETURN_IF_ERROR(state->failure);
  co_return response;
}

}  // namespace troupe
