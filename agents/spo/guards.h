// What is looked at in a new prompt before a call is spent on it, and what a prompt's length and
// looseness take from its strength. Stateless functions but for Guards, which is immutable.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agents/evaluate/item.h"

namespace troupe {

// Lower case, with single spaces: what makes two prompts the same.
std::string NormalizedPrompt(std::string_view text);

class Guards {
 public:
  struct Limits {
    size_t bytes = 0;  // 0: none
    int words = 0;     // 0: none
  };

  // `allowed` is what a prompt may say although a question says it too: the first prompt, the
  // requirements.
  Guards(Limits limits, const std::vector<const Item*>& items,
         const std::vector<std::string>& allowed);

  // Why the prompt is not to be tried; empty: it may be. `known` are normalized prompts.
  std::string WhyRefused(const std::string& prompt, const std::set<std::string>& known) const;

 private:
  bool Leaks(const std::string& prompt) const;

  const Limits limits_;
  // Runs of words that one item alone has, in its question or its answer.
  std::set<size_t> own_runs_;
  std::vector<std::string> short_texts_;  // whole questions that are shorter than a run
};

// What is taken from the strength of `prompt`, on the scale of a Bradley-Terry fit: for length
// beyond twice that of `first`, for sentences that it says again, for gaps left to be filled.
double PenaltyOf(const std::string& prompt, const std::string& first);

}  // namespace troupe
