// What the parts of the improved search share: the task, its roles, what was answered and judged,
// and what may still be spent. Thread-confined to the task's strand.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agents/compare/jury.h"
#include "agents/spo/answers.h"
#include "agents/spo/round_size.h"
#include "agents/spo/spo.h"

namespace troupe {

struct Ground {
  Ground(Scope* of_task, SpoOptions of_options, SpoRoles of_roles);

  const Candidate& candidate(int number) const {
    return outcome.candidates[static_cast<size_t>(number) - 1];
  }
  Candidate& candidate(int number) { return outcome.candidates[static_cast<size_t>(number) - 1]; }

  // Has all of `prompts` (2 to 16) answer `items` and compares the answers at once, by one call of
  // the judge in each order. Every two are kept as a duel of `round`.
  AsyncStatus Compare(const Scope& scope, int round, std::vector<int> prompts, Items items);
  // The calls that Compare makes; a few more if they are left and the judge does not look.
  int64_t CostOf(const std::vector<int>& prompts, const Items& items) const;
  // Whether `calls` more can be made with `reserve` left.
  bool Affords(int64_t calls, int64_t reserve) const;

  Scope* const task;
  const SpoOptions options;
  const SpoRoles roles;
  AnswerBook book;
  Jury jury;
  SpoOutcome outcome;
  RoundSize round_size;        // of the rounds to come
  int last_join = 0;           // the prompt that was made for the tournament; 0: none
  std::vector<int> finalists;  // of the tournament so far; without the first prompt
  int matches = 0;             // of the tournament
};

}  // namespace troupe
