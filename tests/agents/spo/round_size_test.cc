#include "agents/spo/round_size.h"

#include <gtest/gtest.h>

namespace troupe {
namespace {

// A ranking of `pairs` pairs in round 2, of which `undecided` are neutral.
std::vector<Duel> Ranked(int pairs, int undecided) {
  std::vector<Duel> duels(static_cast<size_t>(pairs));
  for (int i = 0; i < pairs; ++i) {
    Duel& duel = duels[static_cast<size_t>(i)];
    duel.round = 2;
    duel.verdict.preference = i < undecided ? Preference::kNeutral : Preference::kLeft;
  }
  return duels;
}

TEST(RoundSizeTest, IsWideOnOneQuestionWithFewCalls) {
  const RoundSize few = RoundsFor(SpoOptions(), 199);
  EXPECT_EQ(few.sample, 1);
  EXPECT_EQ(few.challengers, 14);
  const RoundSize many = RoundsFor(SpoOptions(), 200);
  EXPECT_EQ(many.sample, 2);
  EXPECT_EQ(many.challengers, 10);
}

TEST(RoundSizeTest, IsAsItWasAskedFor) {
  SpoOptions options;
  options.sample = 3;
  EXPECT_EQ(RoundsFor(options, 75).sample, 3);
  EXPECT_EQ(RoundsFor(options, 75).challengers, 14);
  options.challengers = 2;
  EXPECT_EQ(RoundsFor(options, 75).challengers, 2);
  EXPECT_EQ(UsualRounds(options).challengers, 2);
}

TEST(RoundSizeTest, MoreThanAQuarterUndecidedTellsPromptsApartBadly) {
  EXPECT_FALSE(TellsThemApartBadly(Ranked(104, 26), 2));
  EXPECT_TRUE(TellsThemApartBadly(Ranked(104, 27), 2));
  EXPECT_FALSE(TellsThemApartBadly(Ranked(104, 104), 3));  // of another round
  EXPECT_FALSE(TellsThemApartBadly({}, 2));
}

}  // namespace
}  // namespace troupe
