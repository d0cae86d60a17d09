#include "agents/spo/round_size.h"

namespace troupe {
namespace {

constexpr int64_t kFewCalls = 200;
constexpr int kMostChallengers = 14;  // a ranking has 16 places
// In the simulation a tenth to a quarter of the pairs of the first ranking are undecided where
// answers are of more or less merit, and a quarter to a half where they are right or wrong.
constexpr double kUndecidedShare = 0.25;

}  // namespace

RoundSize UsualRounds(const SpoOptions& options) {
  RoundSize size;
  if (options.sample > 0) size.sample = options.sample;
  if (options.challengers > 0) size.challengers = options.challengers;
  return size;
}

RoundSize RoundsFor(const SpoOptions& options, int64_t calls) {
  RoundSize size = UsualRounds(options);
  if (calls >= kFewCalls) return size;
  size.few_calls = true;
  if (options.sample == 0) size.sample = 1;
  if (options.challengers == 0) size.challengers = kMostChallengers;
  return size;
}

bool TellsThemApartBadly(const std::vector<Duel>& duels, int round) {
  int pairs = 0;
  int undecided = 0;
  for (const Duel& duel : duels) {
    if (duel.round != round) continue;
    ++pairs;
    undecided += duel.verdict.preference == Preference::kNeutral ? 1 : 0;
  }
  return undecided > kUndecidedShare * pairs;
}

}  // namespace troupe
