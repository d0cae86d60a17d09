#include "agents/spo/guards.h"

#include <gmock/gmock.h>

#include "agents/spo/deck.h"

namespace troupe {
namespace {

using testing::HasSubstr;

Item ItemOf(const std::string& question, const std::string& answer = "") {
  Item item;
  item.question = question;
  item.answer = answer;
  return item;
}

class GuardsTest : public testing::Test {
 protected:
  std::string WhyRefused(const std::string& prompt) const {
    const std::vector<const Item*> items = {&one_, &other_, &short_};
    const Guards guards({.bytes = 200, .words = 30}, items, {"Think step by step.", requirements_});
    return guards.WhyRefused(prompt, {NormalizedPrompt("Think step by step.")});
  }

  const std::string requirements_ =
      "End with the answer in tags, such as <answer>(Yes or No)</answer>";
  const std::string common_ =
      "If you follow these instructions, do you return to the starting point? ";
  const Item one_ = ItemOf(common_ + "Take 7 steps left. Take 2 steps backward. Turn around.",
                           "A lot of thinking. <answer>(Yes or No)</answer>");
  const Item other_ = ItemOf(common_ + "Take 1 step. Take 3 steps. Take 5 steps. Turn left.",
                             "A lot of thinking. <answer>(Yes or No)</answer>");
  const Item short_ = ItemOf("Who painted Guernica in 1937?", "Pablo Picasso");
};

TEST_F(GuardsTest, LetsAPromptPass) {
  EXPECT_EQ(WhyRefused("Track the position on a grid, then answer Yes or No."), "");
}

TEST_F(GuardsTest, RefusesEmptyAndEqualPrompts) {
  EXPECT_THAT(WhyRefused(" \n"), HasSubstr("empty"));
  EXPECT_THAT(WhyRefused("think  STEP by\nstep."), HasSubstr("the same"));
}

TEST_F(GuardsTest, RefusesWhatIsTooLong) {
  EXPECT_THAT(WhyRefused(std::string(201, 'x')), HasSubstr("201 bytes; 200"));
  std::string words;
  for (int i = 0; i < 31; ++i) words += "w ";
  EXPECT_THAT(WhyRefused(words), HasSubstr("31 words; 30"));
}

TEST_F(GuardsTest, RefusesWhatGivesAQuestionAway) {
  EXPECT_THAT(WhyRefused("For example: take 7 steps left. Take 2 steps BACKWARD. turn around."),
              HasSubstr("gives away"));
  EXPECT_THAT(WhyRefused("Answer as to: who painted Guernica in 1937?"), HasSubstr("gives away"));
}

TEST_F(GuardsTest, LetsPassWhatAllQuestionsOrTheUserSay) {
  EXPECT_EQ(WhyRefused("The question is: if you follow these instructions, do you return to the "
                       "starting point?"),
            "");
  EXPECT_EQ(WhyRefused(requirements_), "");
}

TEST(PenaltyTest, GrowsWithLengthRepetitionAndGaps) {
  const std::string first = "Answer the question.";
  EXPECT_EQ(PenaltyOf(first, first), 0);
  EXPECT_EQ(PenaltyOf("Answer the question in one word, after you have thought.", first), 0);
  const double twice = PenaltyOf(std::string(800, 'x'), first);
  const double four_times = PenaltyOf(std::string(1600, 'x'), first);
  EXPECT_GT(twice, 0);
  EXPECT_GT(four_times, twice);
  EXPECT_GT(PenaltyOf("Think about it carefully now. Think about it carefully now.", first), 0.3);
  EXPECT_GT(PenaltyOf("Answer about [insert topic].", first), 0.3);
}

TEST(DeckTest, DealsNothingTwiceInARowWhileThereAreOthers) {
  const std::vector<Item> items(7);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Deck deck(&items, seed);
    std::set<const Item*> before;
    for (int deal = 0; deal < 20; ++deal) {
      const Items dealt = deck.Deal(3);
      const std::set<const Item*> now(dealt.begin(), dealt.end());
      ASSERT_EQ(now.size(), 3u);
      for (const Item* item : now) EXPECT_FALSE(before.contains(item)) << seed << " " << deal;
      before = now;
    }
  }
  Deck deck(&items, 1);
  EXPECT_EQ(deck.Deal(20).size(), 7u);
  EXPECT_EQ(deck.Deal(20).size(), 7u);
}

}  // namespace
}  // namespace troupe
