#include "agents/compare/messages.h"

#include <algorithm>
#include <numeric>

namespace troupe {
void FillVote(const Vote& vote, v1::ComparisonVote& message) {
  message.set_outcome(OutcomeOf(vote.preference));
  message.set_left_first_reason(vote.left_first_reason);
  message.set_right_first_reason(vote.right_first_reason);
}

void FillStrengths(const BradleyTerryFit& fit, const std::vector<PairResult>& results,
                   const std::vector<std::string>& names,
                   google::protobuf::RepeatedPtrField<v1::CompareStrength>& strengths) {
  std::vector<v1::CompareStrength> rows(fit.size());
  const auto add = [&rows](size_t index, double wins, double losses, double ties) {
    rows[index].set_wins(rows[index].wins() + static_cast<int>(wins));
    rows[index].set_losses(rows[index].losses() + static_cast<int>(losses));
    rows[index].set_ties(rows[index].ties() + static_cast<int>(ties));
  };
  for (const PairResult& result : results) {
    add(result.left, result.left_wins, result.right_wins, result.ties);
    add(result.right, result.right_wins, result.left_wins, result.ties);
  }
  std::vector<size_t> order(fit.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&fit](size_t one, size_t other) {
    return fit.strength(one) > fit.strength(other);
  });
  for (const size_t index : order) {
    v1::CompareStrength& row = rows[index];
    if (row.wins() + row.losses() + row.ties() == 0) continue;
    row.set_name(names[index]);
    row.set_strength(fit.strength(index));
    row.set_low(fit.strength(index) - kZ95 * fit.deviation(index));
    row.set_high(fit.strength(index) + kZ95 * fit.deviation(index));
    *strengths.Add() = std::move(row);
  }
}

}  // namespace troupe
