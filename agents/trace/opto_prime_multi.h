// OptoPrimeMulti: several proposals of OptoPrime, of which one is taken.
#pragma once

#include <string>
#include <vector>

#include "agents/trace/opto_prime.h"

namespace troupe {

struct MultiOptions {
  enum class Generation { kTemperature, kRefinement, kAlternatives, kExperts };
  enum class Selection { kBest, kMerge, kMajority, kLast };
  int count = 3;
  Generation generation = Generation::kTemperature;
  Selection selection = Selection::kBest;
};

class OptoPrimeMulti : public GraphOptimizer {
 public:
  OptoPrimeMulti(OptoPrimeOptions each, MultiOptions options)
      : one_(std::move(each)), options_(options) {}

  // A proposal whose call failed is left out; the status is the first failure if all did.
  Async<GraphProposal> Propose(const Scope& scope, std::string name, const Problem& problem,
                               const OptimizerState& state) const override;

 private:
  Async<std::vector<GraphProposal>> SideBySide(const Scope& scope, std::string name,
                                               const Problem& problem, const OptimizerState& state,
                                               std::vector<OptoPrimeVariation> variations) const;
  Async<std::vector<GraphProposal>> OneAfterAnother(const Scope& scope, std::string name,
                                                    const Problem& problem,
                                                    const OptimizerState& state) const;
  Async<std::vector<GraphProposal>> Generate(const Scope& scope, std::string name,
                                             const Problem& problem,
                                             const OptimizerState& state) const;
  // Who is asked: names and callings, as the model has them.
  Async<std::vector<std::string>> Experts(const Scope& scope, std::string name,
                                          const Problem& problem) const;
  Async<size_t> Best(const Scope& scope, std::string name, const Problem& problem,
                     const std::vector<GraphProposal>& proposals) const;

  const OptoPrime one_;
  const MultiOptions options_;
};

// The index of the first of the largest group of texts that are alike: within a distance of 0.2 of
// another in their group, by pairs of neighbouring letters (Dice). Of groups of a size, that of the
// first text.
size_t Majority(const std::vector<std::string>& texts);

}  // namespace troupe
