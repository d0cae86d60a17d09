#include "agents/spo/belief.h"

#include <algorithm>
#include <cmath>

#include "agents/compare/messages.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Of the first prompt, by which all others are measured.
constexpr double kFixed = 0.001;
constexpr double kChangeDeviation = 1;
// Of a prompt beside what its changes do: each change does a bit more or less in each prompt.
constexpr double kOwnDeviation = 0.3;
constexpr double kUnknownDeviation = 1.5;  // of one of which is known only what it was made from

}  // namespace

absl::StatusOr<Belief> Belief::Of(const SpoOutcome& outcome, Evidence evidence) {
  Belief belief;
  BradleyTerryPrior prior;
  const bool made_of = evidence == Evidence::kAll;
  std::set<int> met = {1};  // in the tournament
  for (const Duel& duel : outcome.duels) {
    if (duel.round == 0) met.insert({duel.left, duel.right});
  }
  for (const Candidate& candidate : outcome.candidates) {
    if (candidate.fate == PromptFate::kRefused) continue;
    if (!made_of && !met.contains(candidate.number)) continue;
    BradleyTerryPrior::Thing prompt{kFixed, {}};
    // In the tournament nothing is known of a prompt.
    if (candidate.number > 1 && !made_of) prompt.deviation = BradleyTerryPrior::Thing().deviation;
    if (candidate.number > 1 && made_of) {
      const size_t parts = candidate.added.size() + candidate.taken.size();
      prompt.deviation =
          parts == 0 ? kUnknownDeviation : kOwnDeviation * std::sqrt(static_cast<double>(parts));
      prompt.around.push_back({belief.prompts_.at(candidate.parent), 1});
      if (candidate.brings_change()) {
        belief.changes_.emplace(candidate.number, prior.things.size());
        prior.things.push_back({kChangeDeviation, {}});
      }
      for (const int change : candidate.added) {
        prompt.around.push_back({belief.changes_.at(change), 1});
      }
      for (const int change : candidate.taken) {
        prompt.around.push_back({belief.changes_.at(change), -1});
      }
    }
    belief.prompts_.emplace(candidate.number, prior.things.size());
    prior.things.push_back(std::move(prompt));
  }
  for (const Duel& duel : outcome.duels) {
    if (!made_of && duel.round != 0) continue;
    PairResult result =
        ResultOf(belief.IndexOf(duel.left), belief.IndexOf(duel.right), duel.verdict.preference);
    for (double* const part : {&result.left_wins, &result.right_wins, &result.ties}) {
      *part *= duel.weight;
    }
    belief.results_.push_back(result);
  }
  ASSIGN_OR_RETURN(belief.fit_, FitBradleyTerry(prior.things.size(), belief.results_, prior));
  return belief;
}

Belief::Drawn Belief::Draw(uint64_t seed, double spread) const {
  const std::vector<double> all = fit_.Draw(seed, spread);
  Drawn drawn;
  for (const auto& [number, index] : prompts_) drawn.prompts[number] = all[index];
  for (const auto& [number, index] : changes_) drawn.changes[number] = all[index];
  return drawn;
}

void Belief::FillStrengths(
    google::protobuf::RepeatedPtrField<v1::CompareStrength>& strengths) const {
  std::vector<std::string> names(fit_.size());
  for (const auto& [number, index] : prompts_) names[index] = std::to_string(number);
  // Counted whole, whatever a comparison weighs.
  std::vector<PairResult> counted = results_;
  for (PairResult& result : counted) {
    for (double* const part : {&result.left_wins, &result.right_wins, &result.ties}) {
      *part = *part > 0 ? 1 : 0;
    }
  }
  troupe::FillStrengths(fit_, counted, names, strengths);
}

}  // namespace troupe
