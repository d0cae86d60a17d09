// What the searches share: several candidates gone on from in one step, side by side.
#pragma once

#include <string>
#include <vector>

#include "agents/trace/trainers/trainer.h"

namespace troupe {

// Each of `parents` is tried on a minibatch of the training set of its own, and `options.proposals`
// candidates are made from what it did. Those that are new are taken up, in the order of their
// parents. `finished` counts parents of which the optimizer says that nothing is left to change.
struct Explored {
  std::vector<TrainingCandidatePtr> made;
  size_t finished = 0;
};
Async<Explored> Explore(const Scope& scope, TrainingGround& ground, const TrainerOptions& options,
                        int step, std::vector<TrainingCandidatePtr> parents);

// Tries each of `candidates` on `items` of the validation set (all with none), side by side.
AsyncStatus ValidateAll(const Scope& scope, TrainingGround& ground,
                        std::vector<TrainingCandidatePtr> candidates, std::vector<size_t> items);

// A first look: so many items of the validation set as the options say, drawn for this step; none,
// which stands for all, if that are all.
std::vector<size_t> FirstLook(const Scope& scope, const TrainingGround& ground,
                              const TrainerOptions& options);

// Tries the candidates that are best by what is known on all of the validation set that they were
// not tried on yet, so that they can be compared.
AsyncStatus CompleteBest(const Scope& scope, TrainingGround& ground, size_t count);

}  // namespace troupe
