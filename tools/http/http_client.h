// HttpClient: HTTP over libcurl's multi interface, and connections kept open between requests.
// Thousands of requests may be under way at once. What a request begins with is done by the thread
// that sends it, if it need not wait for that; all else by a thread of the client's own, or by an
// executor whose threads what waits for replies runs on too.
//
// Thread-safe. A request ends with a response of any HTTP status, or fails with kModelUnavailable's
// sibling for transport errors (absl UNAVAILABLE, no reason set), DEADLINE_EXCEEDED for one of its
// time-outs, RESOURCE_EXHAUSTED for a body over the limit, or the status of its cancelled token.
#pragma once

#include <absl/time/time.h>

#include <asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/shared_text.h"

namespace asio {
class thread_pool;
}

namespace troupe {

struct HttpTimeouts {
  absl::Duration connect = absl::Seconds(10);
  absl::Duration first_byte = absl::Minutes(10);  // from sending to the first byte of the body
  absl::Duration idle = absl::Minutes(2);         // between bytes of the body
  absl::Duration total = absl::Minutes(20);
};

struct HttpResponse;

struct HttpRequest {
  std::string method = "GET";  // GET, POST or DELETE
  std::string url;             // http or https
  std::vector<std::pair<std::string, std::string>> headers;
  SharedText body;
  HttpTimeouts timeouts;
  int64_t max_response_bytes = 64 * 1024 * 1024;
  bool follow_redirects = false;
  // Not through a proxy of the environment, which would look up names itself and so escape
  // `resolve`.
  bool direct = false;
  // Numeric addresses alone that the host may resolve to; empty: any. "host:port:address".
  std::vector<std::string> resolve;
  // Called with each piece of a body of status 200 as it comes, which is then not kept in the
  // response: from a thread that drives the client or one that sends a request, one call at a time
  // of all that the client makes. False stops the transfer.
  std::function<bool(std::string_view)> on_data;
  // Called likewise when the headers of a reply of status 200 are there, before its body.
  std::function<void(const HttpResponse&)> on_headers;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The value of a header, or "" without it.
  std::string_view header(std::string_view lower_case_name) const;
};

class HttpClient {
 public:
  HttpClient();
  // Ends what is under way as cancelled.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // From now on the executor's threads drive the client. Before the first request; Stop comes
  // before the end of the executor's context, and of waiting for all its work.
  void RunOn(const asio::any_io_executor& executor);

  // Ends what is under way with kShuttingDown, and what is sent later.
  void Stop();

  Async<HttpResponse> Send(HttpRequest request, CancelToken cancel);

 private:
  class Loop;
  std::unique_ptr<asio::thread_pool> thread_;  // its own; null: another's
  std::shared_ptr<Loop> loop_;
};

}  // namespace troupe
