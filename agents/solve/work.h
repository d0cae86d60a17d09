// The work of a solve task as far as it has come, and the calls by which it goes on.
// Thread-confined to the task's strand, as all of an algorithm.
#pragma once

#include <string>
#include <vector>

#include "agents/solve/progress.h"
#include "agents/solve/results.h"
#include "agents/solve/solve.h"
#include "agents/solve/toolset.h"

namespace troupe {

// What is taken from the server's settings, the same in every life of the task.
struct SolveSetup {
  bool native = true;          // tool calls by the model's own protocol
  bool images = false;         // the agent's model takes images
  int64_t context_tokens = 0;  // of the conversation, beyond which old rounds are summed up
  int64_t reply_tokens = 0;    // of one reply at most
};

// One round that the agent is still shown.
struct SolveRound {
  int number = 0;
  std::vector<Message> messages;
  std::string digest;  // the round as text, for whoever judges or sums up
};

struct Work {
  explicit Work(SolveOptions given)
      : options(std::move(given)), results(options.shown_result_bytes) {}

  const SolveOptions options;
  SolveSetup setup;
  Toolset tools;
  Results results;
  Progress progress;
  bool may_ask = false;
  bool out_of_calls = false;  // a call was refused by the budget
  SolveOutcome outcome;

  // What the agent may call now.
  std::vector<ToolDeclaration> Declarations() const;
};

// One call with what came of it.
struct AnsweredCall {
  ToolUse use;
  std::string id;     // "3.1": the first call of round 3
  std::string shown;  // to the agent
  std::vector<MessagePart> images;
};

// Performs the calls of one reply side by side, each in a span of its own in `round`; the results
// are in the order of the calls.
Async<std::vector<AnsweredCall>> PerformCalls(const Scope& round, Work& work, int number,
                                              std::vector<ToolUse> uses);

}  // namespace troupe
