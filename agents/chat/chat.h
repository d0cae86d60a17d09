// A conversation with a model that may call tools: every turn of the user is answered, after as
// many rounds of tool calls as the model wants. Tools that are called in one reply run side by
// side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

struct ChatOptions {
  std::string system;
  std::vector<std::string> turns;
  std::vector<std::string> tools;  // names, kAskUser among them or not
  int max_rounds = 16;             // of tool calls in one turn
  std::optional<double> temperature;
  std::optional<int64_t> max_tokens;
};

struct AnsweredTurn {
  std::string user;
  std::string reply;
  int tool_calls = 0;
};

struct ChatOutcome {
  std::vector<AnsweredTurn> turns;
  std::vector<Artifact> artifacts;
  absl::Status stopped;  // the limit that was reached; OkStatus if all turns were answered
};

Async<ChatOutcome> RunChat(Scope& task, ChatOptions options);

}  // namespace troupe
