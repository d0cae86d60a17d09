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
#include "agents/spo/spo.h"

namespace troupe {

struct Ground {
  Ground(Scope* of_task, SpoOptions of_options, SpoRoles of_roles);

  const Candidate& candidate(int number) const {
    return outcome.candidates[static_cast<size_t>(number) - 1];
  }
  Candidate& candidate(int number) { return outcome.candidates[static_cast<size_t>(number) - 1]; }

  // Has each pair of prompts (left, right) answer `items` and compares the answers by one vote
  // each, in `scope`; the verdicts in order, which are kept as duels of `round`.
  Async<std::vector<Preference>> Fight(const Scope& scope, int round,
                                       std::vector<std::pair<int, int>> pairs, Items items);
  // Has all of `prompts` answer `items` and ranks the answers at once, by one call in each order;
  // how each but the first stands against the first (left), in order. Every two are kept as a duel.
  Async<std::vector<Preference>> FightAll(const Scope& scope, int round, std::vector<int> prompts,
                                          Items items);
  // The calls that Fight would make at most.
  int64_t CostOf(const std::vector<std::pair<int, int>>& pairs, const Items& items) const;
  // Whether `calls` more can be made with `reserve` left.
  bool Affords(int64_t calls, int64_t reserve) const;

  Scope* const task;
  const SpoOptions options;
  const SpoRoles roles;
  AnswerBook book;
  Jury jury;
  SpoOutcome outcome;
  std::vector<int> finalists;  // of the tournament, once it has begun
};

// How strong the first prompt and those accepted are, less what their length and looseness take: by
// all comparisons among them so far, and by those of the tournament alone.
class Standing {
 public:
  static absl::StatusOr<Standing> Of(const Ground& ground);

  // The strongest of `numbers`; the first of those that are alike.
  int Strongest(const std::vector<int>& numbers) const;
  double strength(int number) const;
  // Whether `number` surely stands above `other`: by the tournament alone, as who is in it was
  // chosen by how it did before; by all comparisons while there were none there.
  bool SurelyAbove(int number, int other) const;

 private:
  size_t IndexOf(int number) const { return indices_.at(number); }

  std::map<int, size_t> indices_;  // in the fit, by number
  BradleyTerryFit fit_;
  std::optional<BradleyTerryFit> held_out_fit_;
  std::vector<double> penalties_;
};

}  // namespace troupe
