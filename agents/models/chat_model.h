// ChatModel: a model that answers a conversation. Backends implement it; so do the wrappers that
// retry, limit and fall back, and the recording that answers in a model's place.
//
// Thread-safe: Complete runs on many strands at once and never blocks its thread.
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agents/models/chat.h"
#include "tools/base/async.h"
#include "tools/base/cancel.h"

namespace troupe {

struct ModelCapabilities {
  bool images = false;
  bool tools = true;
  bool reply_schema = true;  // the backend itself constrains the reply to a JSON Schema
  bool logprobs = false;
  bool seed = true;
  int64_t context_tokens = 0;  // 0: not known
};

// Who calls and for how long; nothing here reaches the model.
struct ChatContext {
  std::string task_id;
  std::string task_label;  // what a recording knows the task by
  std::string role;        // "planner", "evaluator" ...
  std::string path;        // of the effect
  int64_t role_order = 0;  // how many calls the role made in this task before this one
  CancelToken cancel;      // a call ends within a second of it
  absl::Time deadline = absl::InfiniteFuture();
  // Called with pieces of the reply as they come; empty: the caller has no use for them.
  std::function<void(std::string_view)> on_text;
};

// A call under way. Shared by all who have a part in it, so that none of them need copy it.
struct ChatCall {
  ChatRequest request;
  ChatContext context;
};
using ChatCallPtr = std::shared_ptr<const ChatCall>;

// What a call can cost at most, for a budget to reserve.
struct CostEstimate {
  int64_t input_tokens = 0;
  int64_t max_output_tokens = 0;
  int64_t max_cost_microusd = 0;
};

class ChatModel {
 public:
  virtual ~ChatModel() = default;

  virtual const std::string& name() const = 0;  // the name in the config
  virtual const ModelCapabilities& capabilities() const = 0;
  virtual CostEstimate Estimate(const ChatRequest& request) const = 0;

  // Fails with kModelUnavailable (network, overload, time-out: trying again may help),
  // kModelRejected (the backend refuses the request: bad key, unknown model, context too long),
  // kModelBadReply (not the protocol it claims), kRecordingExhausted, or the token's status.
  virtual Async<ChatReply> Complete(ChatCallPtr call) = 0;
};

// The models of a server: names in the config, and roles that map to names.
class ModelDirectory {
 public:
  virtual ~ModelDirectory() = default;

  // The model for a role: `override_name` if not empty, else the config's role table, else its
  // default. kInvalidField for a name that does not exist.
  virtual absl::StatusOr<ChatModel*> ForRole(std::string_view role,
                                             std::string_view override_name) const = 0;
};

}  // namespace troupe
