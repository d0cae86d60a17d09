// SPO, self-supervised prompt optimization (arXiv 2502.06855): a prompt is improved by comparing
// the answers that it brings, without a score and without right answers. An optimizer writes
// prompts, an executor answers questions with them, an evaluator compares the answers.
//
// Two ways: `faithful` is the published control flow (faithful.cc), `improved` is ours
// (improved.cc); docs/prompt-optimization.md tells how they differ.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agents/compare/jury.h"
#include "agents/evaluate/item.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/usage.h"
#include "agents/spo/roles.h"
#include "tools/base/async.h"

namespace troupe {

enum class SpoPreset { kImproved, kFaithful };

struct SpoOptions {
  SpoPreset preset = SpoPreset::kImproved;
  std::string prompt;
  std::string requirements;
  std::vector<Item> questions;
  std::vector<Item> held_out;  // empty: a share of the questions, but for kFaithful
  int rounds = 10;             // the first of which runs the first prompt alone
  // Questions that are compared at a time. kFaithful: to be given, as published 3; kImproved: 0 for
  // 2, or what the first ranking tells where calls are few (round_size.h).
  int sample = 0;
  int votes = 5;  // kFaithful: 4, all of them taken; kImproved: rounds that a prompt is tried in
  // Prompts that meet the best one and the first one in a round; 0: 10, or 14 where calls are few.
  int challengers = 0;
  int prompt_words = 0;  // 0: not limited
  size_t max_prompt_bytes = 0;
  int patience = 3;
  std::string registered_prompt;
};

enum class PromptFate { kOpen, kSeed, kAccepted, kRejected, kRefused };

struct Candidate {
  int number = 1;  // its place among all, from 1
  int parent = 0;  // 0: none
  int round = 1;
  std::string text;
  std::string analysis;
  std::string modification;
  PromptFate fate = PromptFate::kOpen;
  std::string reason;
  // Changes that its parent was given or relieved of, each named by the prompt that brought it. Its
  // own number: a change that no prompt had before. Both empty if nothing is known of it.
  std::vector<int> added;
  std::vector<int> taken;
  std::set<int> changes;  // all that it has, those of its parent among them
  bool brings_change() const { return added.size() == 1 && added.front() == number; }
};

// The answers of two prompts to the same questions, compared.
struct Duel {
  int round = 0;  // 0: in the tournament
  int left = 0;   // in the search the incumbent
  int right = 0;
  Judgement verdict;
  std::vector<std::string> questions;  // ids
  // What it counts. Those of one ranking are found out together, so each tells less.
  double weight = 1;
};

// The search as it stood at the end of a round.
struct RoundReport {
  int round = 0;
  int incumbent = 1;
  int written = 0;
  int accepted = 0;
  double win_rate = 0.5;  // of the incumbent against the first prompt
  double win_rate_low = 0.5;
  double win_rate_high = 0.5;
  Usage usage;  // of the task by then
};

enum class SpoEnding { kNone, kRounds, kNoGain, kBudget, kStopped };

struct SpoOutcome {
  int best = 1;
  std::vector<Candidate> candidates;
  std::vector<Duel> duels;
  std::vector<RoundReport> rounds;
  SpoEnding ending = SpoEnding::kNone;
  std::string choice;           // how the result was chosen, for people
  std::vector<Item> questions;  // searched with; ids q1, q2 ...
  std::vector<Item> held_out;   // ids h1, h2 ...
  absl::Status stopped;         // the limit that cut it off; OkStatus otherwise
  const Candidate& winner() const { return candidates[static_cast<size_t>(best) - 1]; }
};

// `roles` outlive the run.
Async<SpoOutcome> RunSpo(Scope& task, SpoOptions options, SpoRoles roles);

}  // namespace troupe
