// A SIMULATION, in which prompts have a quality that is known, so that one can count how often a
// way of searching finds good ones. No model is called; what it shows holds for worlds like these.
//
// A prompt is a set of traits ("asks for steps", "shows the form", "forbids guessing" ...), 12 of
// them, so that there are 4,096 prompts and each is known. A trait helps or harms, more with some
// kinds of questions than with others, and some pairs of traits help or harm each other: what one
// tries out on three questions need not hold for the rest, and there are hills that lead nowhere.
//
// - The executor is at temperature 0: a prompt answers a question always alike. Of a closed
// question
//   (right or wrong) the chance to be right is logistic in what the traits do for its kind, less
//   how hard it is. Answers to open questions have a merit: what the traits do, and an accident.
// - The optimizer adds or drops one trait, or two (3 of 10 times). It does not know what helps. It
//   keeps off changes that it is told have failed, 4 times of 5. Told to join changes or to take
//   them out, it does.
// - The judge prefers the set of answers with more merit, but errs at a known rate: half of its
//   errors are its own at each call, half lie in what it is shown, and asking again does not help,
//   as models at low temperature are. At another known rate it looks at nothing and takes what
//   stands first.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agents/spo/spo.h"

namespace troupe {

struct Landscape {
  std::string name;
  bool closed = true;       // answers are right or wrong, and not of more or less merit
  double everywhere = 0.5;  // deviation of what a trait does for all questions
  double by_kind = 0.4;     // and for those of one kind beside it
  double in_pairs = 0.4;    // and two traits together
  double accident = 0.4;    // of an open answer's merit
  double judge_error = 0.15;
  double position_bias = 0.3;
};

class SimulatedWorld : public Optimizer, public Target, public Opinions, public Allowance {
 public:
  SimulatedWorld(const Landscape& landscape, uint64_t seed, int64_t budget);

  SpoRoles roles() const { return {this, this, this, this}; }
  // The first prompt is one of the worse half, but not of the worst tenth.
  std::string first_prompt() const { return TextOf(first_); }
  std::vector<Item> Questions(int from, int count) const;

  double QualityOf(const std::string& prompt) const { return quality_[TraitsOf(prompt)]; }
  double top_twentieth() const { return top_; }
  int64_t calls() const { return calls_; }

  Async<std::vector<Proposal>> Propose(const Scope& scope, std::string name,
                                       ProposalRequest request) const override;
  Async<TargetAnswer> Run(const Scope& scope, Item item, PromptUnderTest prompt) const override;
  Async<Opinion> Prefer(const Scope& scope, std::string name, Matter matter, std::string first,
                        std::string second) const override;
  Async<RankingOpinion> Rank(const Scope& scope, std::string name, Matter matter,
                             std::vector<std::string> texts) const override;
  std::optional<int64_t> CallsLeft(const Scope&) const override { return budget_ - calls_; }

 private:
  static constexpr size_t kTraits = 12;
  static constexpr size_t kPrompts = size_t{1} << kTraits;
  static constexpr size_t kKinds = 8;

  static std::string TextOf(size_t traits);
  static size_t TraitsOf(const std::string& prompt);
  // "add 3; drop 5", and the prompt that it makes.
  static std::string ChangeOf(size_t from, size_t to);
  static size_t Changed(size_t traits, const std::string& change);
  static size_t Without(size_t traits, const std::string& change);

  void MakeLandscape();
  // The same for the same words in the same world, in [0, 1).
  double Chance(const std::string& words) const;
  double Normal(const std::string& words) const;
  // In [0, 1), another at each call.
  double Next() const;
  size_t ChangedAtRandom(size_t traits) const;
  double MeritOf(size_t traits, int question) const;
  // Which of two sets of answers the judge prefers when it looks at them.
  bool LikesFirst(const std::string& first, const std::string& second) const;

  const Landscape landscape_;
  const uint64_t seed_;
  const int64_t budget_;
  std::vector<std::array<double, kKinds>> effect_;  // by prompt and kind
  std::vector<double> quality_;
  double top_ = 0;
  size_t first_ = 0;
  mutable int64_t calls_ = 0;
  mutable uint64_t draws_ = 0;
};

}  // namespace troupe
