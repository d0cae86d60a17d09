// How wide the rounds of the improved search are: how many prompts meet in one, on how many
// questions. Stateless functions.
#pragma once

#include <cstdint>
#include <vector>

#include "agents/spo/spo.h"

namespace troupe {

struct RoundSize {
  int sample = 2;          // questions that are compared at a time
  int challengers = 10;    // prompts that meet the best one and the first one
  bool few_calls = false;  // the task has fewer than 200
};

// Of two questions and ten challengers, unless something else was asked for.
RoundSize UsualRounds(const SpoOptions& options);

// With fewer than 200 calls: as wide as a ranking can be, on one question. A change is learnt from
// all prompts that have it, so that more prompts tell more of changes than more answers of each.
RoundSize RoundsFor(const SpoOptions& options, int64_t calls);

// Whether the judge's two orders disagree on more than a quarter of the pairs that were ranked in
// `round`: the answers to one question are then often as good as each other, as they are where
// answers are right or wrong, and prompts are told apart by two.
bool TellsThemApartBadly(const std::vector<Duel>& duels, int round);

}  // namespace troupe
