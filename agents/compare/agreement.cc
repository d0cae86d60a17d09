#include "agents/compare/agreement.h"

#include <cmath>

namespace troupe {
Agreement AgreementOf(const std::vector<JudgedPair>& pairs) {
  Agreement agreement;
  for (const JudgedPair& pair : pairs) {
    if (pair.truth == Preference::kNeutral) continue;
    ++agreement.comparisons;
    if (pair.preference == Preference::kNeutral) {
      ++agreement.neutral;
    } else {
      ++(pair.preference == pair.truth ? agreement.agreed : agreement.opposed);
    }
  }
  const double number = agreement.agreed + agreement.opposed;
  if (number == 0) return agreement;
  const double z2 = kZ95 * kZ95;
  agreement.rate = agreement.agreed / number;
  const double middle = (agreement.rate + z2 / (2 * number)) / (1 + z2 / number);
  const double half =
      kZ95 / (1 + z2 / number) *
      std::sqrt(agreement.rate * (1 - agreement.rate) / number + z2 / (4 * number * number));
  agreement.low = std::max(0.0, middle - half);
  agreement.high = std::min(1.0, middle + half);
  return agreement;
}

}  // namespace troupe
