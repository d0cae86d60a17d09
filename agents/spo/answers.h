// The answers that prompts bring, each run once, and what a judge is shown of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agents/compare/opinions.h"
#include "agents/evaluate/target.h"
#include "agents/runtime/scope.h"
#include "agents/spo/roles.h"

namespace troupe {

using Items = std::vector<const Item*>;

// Thread-confined to the task's strand.
class AnswerBook {
 public:
  // `executor` outlives the book.
  explicit AnswerBook(const Target* executor) : executor_(executor) {}

  // How many runs Fill would make.
  int64_t Missing(const std::vector<int>& prompts, const Items& items) const;
  // Calls of models that a run is thought to take, by those that were made, rounded up: 1 of a
  // prompt, more of an agent. 1 before the first.
  int64_t CallsPerRun() const;
  int64_t runs() const { return runs_; }

  // Runs what is missing of `texts` (a prompt's number to its text) on `items`, side by side, each
  // in a span "answer:{number}.{item}" of `scope`. A run that fails has what is wrong as its
  // answer, unless all so far failed and they are three at the least: then nobody answers (a wrong
  // key, a model that is not there), and what is wrong is the status. Another status is the task's
  // own (a limit, a cancellation), after which what was answered is kept. What a call may cost at
  // most is held while it is made: runs that the budget refuses beside others are made again beside
  // fewer ("answer:{number}.{item}.again:1" ...).
  AsyncStatus Fill(const Scope& scope, std::map<int, std::string> texts, Items items);

  const std::string& Of(int prompt, const Item& item) const;

 private:
  struct Run {
    std::string answer;
    int64_t model_calls = 0;
    absl::Status failure;
  };
  static Async<Run> Answer(const Target* executor, Scope scope, Item item, PromptUnderTest prompt);

  const Target* const executor_;
  int64_t runs_ = 0;
  int64_t failed_ = 0;                                          // of these runs
  int64_t calls_ = 0;                                           // of models, in these runs
  std::map<std::pair<int, std::string>, std::string> answers_;  // by prompt and item
};

// What the answers to `items` are compared by.
Matter MatterOf(const std::string& requirements, const Items& items);

// The answers of a prompt, numbered, without a word of the prompt itself.
std::string SheetOf(const AnswerBook& book, int prompt, const Items& items);

// The same for the optimizer.
std::vector<Answered> AnsweredBy(const AnswerBook& book, int prompt, const Items& items);

}  // namespace troupe
