// McpCall: one call of a tool, between the task that waits for it and the connection that carries
// it, which live on different threads. Thread-safe.
#pragma once

#include <absl/base/thread_annotations.h>

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/json.h"
#include "tools/base/mutex.h"
#include "tools/base/suspend.h"

namespace troupe {

// What happens to a call that is under way.
struct McpCallEvent {
  enum class Kind { kProgress, kQuestion, kEnded };
  Kind kind = Kind::kEnded;
  std::string method;                                // of a question
  Json params;                                       // of a question or of progress
  std::function<void(absl::StatusOr<Json>)> answer;  // of a question; call once, from any thread
  absl::StatusOr<Json> result = Json();              // of the end
};

class McpCall {
 public:
  McpCall(std::string tool, Json params, std::vector<std::pair<std::string, std::string>> headers,
          CancelToken cancel)
      : tool(std::move(tool)),
        params(std::move(params)),
        headers(std::move(headers)),
        cancel(std::move(cancel)) {}

  const std::string tool;  // the server's name
  const Json params;       // of tools/call
  const std::vector<std::pair<std::string, std::string>> headers;
  const CancelToken cancel;
  // Whether the server asked something, so that a failure may be ours; on the connection's thread.
  bool asked = false;

  // Progress beyond what anyone could read is left out.
  void Push(McpCallEvent event);
  // The next event, in their order. One waiter at a time.
  Async<McpCallEvent> Next();

 private:
  Mutex mutex_;
  std::deque<McpCallEvent> events_ ABSL_GUARDED_BY(mutex_);
  Done<McpCallEvent> waiter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
