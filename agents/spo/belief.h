// What comparisons tell of prompts: one Bradley-Terry fit over all of them. A prompt is thought to
// be as strong as the one it was made from and what was changed in it, and a change is learnt from
// all prompts that have it (agents/compare/bradley_terry.h). Immutable.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agents/spo/spo.h"
#include "troupe/v1/compare.pb.h"

namespace troupe {

enum class Evidence { kAll, kTournament };

class Belief {
 public:
  // By all duels, or by those on held-out questions alone. The first of these takes prompts for
  // what they were made of; the other one knows nothing of that, as its questions are asked to find
  // out whether what the search believes is true. It is for people, and decides nothing.
  static absl::StatusOr<Belief> Of(const SpoOutcome& outcome, Evidence evidence);

  // Strengths are on the scale of a Bradley-Terry fit; the first prompt has 0, and so has what was
  // never compared in a belief by the tournament. Length and looseness are not taken off.
  double strength(int number) const { return fit_.strength(IndexOf(number)); }
  double deviation(int number, int other) const {
    return fit_.difference_deviation(IndexOf(number), IndexOf(other));
  }
  bool knows(int number) const { return prompts_.contains(number); }
  // The changes, by the prompt that brought them.
  const std::map<int, size_t>& changes() const { return changes_; }
  // What the change that prompt `number` brought does, in whatever prompt.
  double change(int number) const { return fit_.strength(changes_.at(number)); }

  // Strengths of prompts and effects of changes as they may be (BradleyTerryFit::Draw).
  struct Drawn {
    std::map<int, double> prompts;
    std::map<int, double> changes;  // by the prompt that brought it
  };
  Drawn Draw(uint64_t seed, double spread) const;

  // The prompts that were compared, the strongest first; names are their numbers.
  void FillStrengths(google::protobuf::RepeatedPtrField<v1::CompareStrength>& strengths) const;

 private:
  size_t IndexOf(int number) const { return prompts_.at(number); }

  std::map<int, size_t> prompts_;  // in the fit, by number
  std::map<int, size_t> changes_;  // likewise
  std::vector<PairResult> results_;
  BradleyTerryFit fit_;
};

}  // namespace troupe
