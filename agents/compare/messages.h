// What comparisons are in messages. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/compare/jury.h"
#include "troupe/v1/compare.pb.h"

namespace troupe {

inline v1::Comparison::Outcome OutcomeOf(Preference preference) {
  if (preference == Preference::kLeft) return v1::Comparison::OUTCOME_LEFT;
  if (preference == Preference::kRight) return v1::Comparison::OUTCOME_RIGHT;
  return v1::Comparison::OUTCOME_NEUTRAL;
}

void FillVote(const Vote& vote, v1::ComparisonVote& message);

// The things of a fit that were compared, the strongest first, by their names.
void FillStrengths(const BradleyTerryFit& fit, const std::vector<PairResult>& results,
                   const std::vector<std::string>& names,
                   google::protobuf::RepeatedPtrField<v1::CompareStrength>& strengths);

}  // namespace troupe
