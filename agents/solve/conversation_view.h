// What the agent is shown: its instructions, the task, its notes of old rounds and the rounds
// since. Thread-confined to the task's strand.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "agents/solve/move.h"
#include "agents/solve/work.h"

namespace troupe {

// What the agent is told beside the results of a round; what is empty is not said.
struct Notices {
  int stuck = 0;  // rounds without anything new
  std::string sent_back;
  std::string no_answer;
};

class ConversationView {
 public:
  explicit ConversationView(Work* work) : work_(work) {}

  // Renders what stands before all rounds.
  absl::Status Begin(const Scope& task);

  // The request of the next round.
  ChatRequest Request() const;
  // Changes a request so that the model can only answer.
  void ForbidCalls(ChatRequest& request) const;
  // What tells the agent that it must answer now.
  absl::StatusOr<std::string> LastNotice(const Scope& task, std::string_view why) const;

  // Tokens of the next request, as estimated.
  int64_t tokens() const;
  bool IsTooLong() const;

  // Adds what was said and done in a round.
  absl::Status AddRound(const Scope& task, int number, Message said, const Move& move,
                        std::vector<AnsweredCall> calls, const Notices& notices);

  // The rounds that must go, the oldest first; the newest stay. They are not shown any more from
  // Replace on, which takes their summary.
  std::vector<SolveRound> TakeOldRounds() const;
  absl::Status Replace(const Scope& task, const std::vector<SolveRound>& old, std::string summary);
  const std::string& summary() const { return summary_; }

  // All that was done, for whoever judges it.
  std::string WorkText() const;

 private:
  absl::Status Rebuild(const Scope& task);

  Work* const work_;
  std::string prompt_;  // the id of the agent's own prompt
  Conversation messages_;
  std::vector<SolveRound> rounds_;
  std::string summary_;
  int summed_rounds_ = 0;
};

}  // namespace troupe
