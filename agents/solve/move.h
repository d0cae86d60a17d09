// What one reply of the agent's model comes to: calls, an answer, or neither. In the native form
// the model calls tools by its own protocol; in the JSON form its reply is one object,
//   {"thought", "action", "arguments"} or {"thought", "final"}.
// Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/models/chat.h"

namespace troupe {

struct Move {
  std::string thought;
  std::vector<ToolUse> uses;
  bool is_answer = false;
  std::string answer;   // as text
  std::string problem;  // why the reply is neither; for the model
};

Move NativeMove(const ChatReply& reply);
Move JsonMove(const ChatReply& reply);

// The JSON Schema of a reply in the JSON form, which may call one of `tools` (none: it must
// answer). An answer fits `answer_schema`, or is text where that is null.
ReplySchema MoveSchema(const std::vector<ToolDeclaration>& tools, const Json& answer_schema);

}  // namespace troupe
