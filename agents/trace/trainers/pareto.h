// The Pareto front of candidates over validation items, and merging of two lineages, as GEPA has
// them (arXiv 2507.19457, algorithms 2 and 4). Stateless functions.
#pragma once

#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "agents/trace/trainers/candidate.h"

namespace troupe {

// How many items each candidate of the front has the best score on; 0: it is not on the front. One
// whose best items others on the front have all as well is dominated and taken off.
std::vector<int> FrontCounts(const std::vector<TrainingCandidatePtr>& pool);

// The place of a candidate of the front, drawn by these counts.
size_t DrawFromFront(const std::vector<TrainingCandidatePtr>& pool, std::mt19937_64& random);

// Two candidates of the front, neither of which comes from the other, with a common ancestor in the
// pool from which both changed another component; the best such two. None if there are none.
std::optional<std::pair<size_t, size_t>> MergeablePair(
    const std::vector<TrainingCandidatePtr>& pool);

// Each component from the one of the two that changed it since their ancestor; from the better one
// if both did.
Json MergedValues(const std::vector<TrainingCandidatePtr>& pool, std::pair<size_t, size_t> pair);

}  // namespace troupe
