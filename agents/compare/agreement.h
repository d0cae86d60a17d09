// How often a judge agrees with what is known to be true. Stateless functions.
#pragma once

#include <vector>

#include "agents/compare/jury.h"

namespace troupe {

// What was preferred, and what is truly better.
struct JudgedPair {
  Preference preference = Preference::kNeutral;
  Preference truth = Preference::kNeutral;
};

struct Agreement {
  int comparisons = 0;  // those with a truth
  int agreed = 0;
  int opposed = 0;
  int neutral = 0;
  // Of those that preferred either, with its 95 % interval (Wilson); all 0 without any.
  double rate = 0;
  double low = 0;
  double high = 0;
};

Agreement AgreementOf(const std::vector<JudgedPair>& pairs);

}  // namespace troupe
