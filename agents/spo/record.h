// What both ways of SPO keep of their candidates and duels. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/spo/belief.h"
#include "agents/spo/spo.h"

namespace troupe {

// Copies with ids of their own, `prefix` and a number, by which spans and results name them.
std::vector<Item> Numbered(std::vector<Item> items, std::string_view prefix);

std::vector<std::string> IdsOf(const std::vector<const Item*>& items);

// Adds a prompt, with the next number.
Candidate& AddCandidate(SpoOutcome& outcome, int parent, int round, Proposal proposal);

// What the judge said of a prompt in one of its duels, for people and the optimizer; shortened.
// What was said of both together tells which of them is meant by A.
std::string ReasonOf(const Duel& duel, int number);

// Closes a round: what the incumbent's chances against the first prompt are, and a line for
// watchers.
void ReportRound(const Scope& task, SpoOutcome& outcome, const Belief& belief, int round,
                 int incumbent);

}  // namespace troupe
