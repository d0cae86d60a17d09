#include "agents/trace/trainers/pareto.h"

#include <algorithm>
#include <set>

namespace troupe {
namespace {

const TrainingCandidate* Numbered(const std::vector<TrainingCandidatePtr>& pool, int number) {
  for (const TrainingCandidatePtr& candidate : pool) {
    if (candidate->number == number) return candidate.get();
  }
  return nullptr;
}

// The numbers of a candidate and of those it comes from, itself first.
std::vector<int> LineOf(const std::vector<TrainingCandidatePtr>& pool,
                        const TrainingCandidate& candidate) {
  std::vector<int> line;
  const TrainingCandidate* at = &candidate;
  while (at != nullptr) {
    line.push_back(at->number);
    at = at->parent == 0 ? nullptr : Numbered(pool, at->parent);
  }
  return line;
}

// The closest ancestor of both; null if there is none, or one comes from the other.
const TrainingCandidate* AncestorOf(const std::vector<TrainingCandidatePtr>& pool,
                                    const TrainingCandidate& one, const TrainingCandidate& other) {
  const std::vector<int> left = LineOf(pool, one);
  const std::vector<int> right = LineOf(pool, other);
  for (const int number : left) {
    if (std::find(right.begin(), right.end(), number) == right.end()) continue;
    if (number == one.number || number == other.number) return nullptr;
    return Numbered(pool, number);
  }
  return nullptr;
}

bool ChangedApart(const TrainingCandidate& ancestor, const TrainingCandidate& one,
                  const TrainingCandidate& other) {
  bool left = false;
  bool right = false;
  for (const auto& [name, value] : ancestor.values.items()) {
    const bool by_one = JsonMember(one.values, name) != value;
    const bool by_other = JsonMember(other.values, name) != value;
    left = left || (by_one && !by_other);
    right = right || (by_other && !by_one);
  }
  return left && right;
}

}  // namespace

std::vector<int> FrontCounts(const std::vector<TrainingCandidatePtr>& pool) {
  std::vector<std::set<size_t>> best_on(pool.size());
  std::set<size_t> items;
  for (const TrainingCandidatePtr& candidate : pool) {
    for (const auto& [item, score] : candidate->validation) items.insert(item);
  }
  for (const size_t item : items) {
    double most = -1;
    for (const TrainingCandidatePtr& candidate : pool) {
      const auto found = candidate->validation.find(item);
      if (found != candidate->validation.end()) most = std::max(most, found->second.mean());
    }
    for (size_t i = 0; i < pool.size(); ++i) {
      const auto found = pool[i]->validation.find(item);
      if (found != pool[i]->validation.end() && found->second.mean() >= most - 1e-12) {
        best_on[i].insert(item);
      }
    }
  }
  // From the worst on, whoever is not needed for any item goes.
  std::vector<size_t> order(pool.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return pool[a]->ValidationScore() < pool[b]->ValidationScore();
  });
  std::vector<bool> gone(pool.size());
  for (const size_t i : order) {
    const bool needed = std::any_of(best_on[i].begin(), best_on[i].end(), [&](size_t item) {
      for (size_t j = 0; j < pool.size(); ++j) {
        if (j != i && !gone[j] && best_on[j].contains(item)) return false;
      }
      return true;
    });
    gone[i] = !needed;
  }
  std::vector<int> counts(pool.size());
  for (size_t i = 0; i < pool.size(); ++i) {
    counts[i] = gone[i] ? 0 : static_cast<int>(best_on[i].size());
  }
  return counts;
}

size_t DrawFromFront(const std::vector<TrainingCandidatePtr>& pool, std::mt19937_64& random) {
  const std::vector<int> counts = FrontCounts(pool);
  uint64_t all = 0;
  for (const int count : counts) all += static_cast<uint64_t>(count);
  if (all == 0) return 0;
  uint64_t drawn = random() % all;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (drawn < static_cast<uint64_t>(counts[i])) return i;
    drawn -= static_cast<uint64_t>(counts[i]);
  }
  return 0;
}

std::optional<std::pair<size_t, size_t>> MergeablePair(
    const std::vector<TrainingCandidatePtr>& pool) {
  const std::vector<int> counts = FrontCounts(pool);
  std::optional<std::pair<size_t, size_t>> best;
  double most = -1;
  for (size_t i = 0; i < pool.size(); ++i) {
    for (size_t j = i + 1; j < pool.size(); ++j) {
      if (counts[i] == 0 || counts[j] == 0) continue;
      const TrainingCandidate* ancestor = AncestorOf(pool, *pool[i], *pool[j]);
      if (ancestor == nullptr || !ChangedApart(*ancestor, *pool[i], *pool[j])) continue;
      const double sum = pool[i]->ValidationScore() + pool[j]->ValidationScore();
      if (sum > most) {
        most = sum;
        best = {i, j};
      }
    }
  }
  return best;
}

Json MergedValues(const std::vector<TrainingCandidatePtr>& pool, std::pair<size_t, size_t> pair) {
  const TrainingCandidate& one = *pool[pair.first];
  const TrainingCandidate& other = *pool[pair.second];
  const TrainingCandidate* const ancestor = AncestorOf(pool, one, other);
  const bool other_better = other.ValidationScore() > one.ValidationScore();
  Json merged = one.values;
  for (auto& [name, value] : merged.items()) {
    const Json& first = JsonMember(ancestor->values, name);
    const Json& theirs = JsonMember(other.values, name);
    if (value == first || (theirs != first && other_better)) value = theirs;
  }
  return merged;
}

}  // namespace troupe
