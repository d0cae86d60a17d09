// Replies that must be JSON valid by a schema. Stateless functions; the calls themselves go through
// the runtime, so that they are recorded.
#pragma once

#include <absl/status/statusor.h>

#include "agents/models/chat.h"

namespace troupe {

// The reply's JSON, valid by `schema`. A reply wrapped in one Markdown code fence is unwrapped;
// text around JSON is not searched. The error says what is wrong in words that the model can act
// on.
absl::StatusOr<Json> ParseStructuredReply(const ChatReply& reply, const ReplySchema& schema);

// The request that follows a reply that did not parse: the same conversation, the reply, and what
// is wrong with it.
ChatRequest RepairRequest(const ChatRequest& request, const ChatReply& reply,
                          const absl::Status& error);

// For backends that cannot constrain their reply: says in the last message what it must be.
void DescribeSchemaInPrompt(ChatRequest& request);

}  // namespace troupe
