// What the two chat protocols share: sending a request once and telling what a refusal means.
// Stateless functions.
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agents/models/model_config.h"
#include "tools/http/http_client.h"
#include "tools/http/sse_parser.h"

namespace troupe {

// The metadata key under which an error says how many milliseconds its server asks to wait.
inline constexpr char kRetryAfterKey[] = "retry_after_ms";
// The metadata key that tells whether the same request may be sent again: "true" or "false".
inline constexpr char kRetryKey[] = "retry";

// What a server's status and headers ask for: x-should-retry first, then retry-after-ms, then
// Retry-After in seconds or as an HTTP date.
absl::Status RefusalOf(const HttpResponse& response, const ModelConfig& config, absl::Time now);

// A failure of the transport, as an error with a reason.
absl::Status TransportError(const absl::Status& status, const ModelConfig& config);

absl::Status BadReply(const ModelConfig& config, std::string_view what);

// The wait that the headers ask for; none if they say nothing that can be read.
std::optional<absl::Duration> RetryAfterOf(const HttpResponse& response, absl::Time now);

// Posts `body` and feeds the events of a streamed reply to `on_event`; an event's failure ends the
// stream. Returns the response, whose body is empty after a stream.
Async<HttpResponse> PostForEvents(HttpClient* http, HttpRequest request, CancelToken cancel,
                                  std::function<absl::Status(const SseEvent&)> on_event);

}  // namespace troupe
