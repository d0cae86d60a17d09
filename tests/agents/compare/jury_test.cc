#include "agents/compare/jury.h"

#include <gmock/gmock.h>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <set>

#include "agents/compare/model_opinions.h"
#include "agents/prompts/prompt_library.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Says what it is told to, and notes what it was shown.
class ToldOpinions : public Opinions {
 public:
  Async<Opinion> Prefer(const Scope&, std::string, Matter, std::string first,
                        std::string second) const override {
    shown.emplace_back(first, second);
    co_return Opinion{prefer(first, second), first + " or " + second};
  }
  Async<RankingOpinion> Rank(const Scope&, std::string, Matter,
                             std::vector<std::string> texts) const override {
    ++rankings;
    most_at_once = std::max(most_at_once, ++at_once);
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    --at_once;
    RankingOpinion opinion;
    for (size_t i = 0; i < texts.size(); ++i) {
      opinion.order.push_back(i);
      opinion.notes.push_back("it says " + texts[i]);
    }
    if (unlooked-- > 0) co_return opinion;
    std::stable_sort(
        opinion.order.begin(), opinion.order.end(),
        [&texts](size_t one, size_t other) { return texts[one].size() > texts[other].size(); });
    co_return opinion;
  }

  std::function<Liking(const std::string&, const std::string&)> prefer =
      [](const std::string& first, const std::string& second) {
        return first.size() > second.size() ? Liking::kFirst : Liking::kSecond;
      };
  mutable std::vector<std::pair<std::string, std::string>> shown;
  mutable int rankings = 0;
  mutable int unlooked = 0;  // rankings that repeat the order in which texts are shown
  mutable int at_once = 0;
  mutable int most_at_once = 0;
};

class JuryTest : public RunTest {
 protected:
  using Judgements = std::vector<absl::StatusOr<Judgement>>;

  Judgements Judged(std::vector<Contest> contests, int votes = 3) {
    Jury jury(&opinions_, {.votes = votes});
    Judgements verdicts;
    const auto lived = Live<bool>([&](Scope& root) -> Async<bool> {
      verdicts = co_await jury.Compare(root, contests);
      co_return true;
    });
    EXPECT_TRUE(lived.ok()) << lived.status();
    return verdicts;
  }

  absl::StatusOr<Ranking> Ranked(std::vector<std::string> texts) {
    Jury jury(&opinions_, {});
    return Live<Ranking>([&](Scope& root) -> Async<Ranking> {
      Matter matter{"", "the longer", ""};
      co_return co_await jury.Rank(root, std::move(matter), texts);
    });
  }

  static Contest Of(const std::string& left, const std::string& right) {
    return {{"q", "the longer", ""}, left, right};
  }

  ToldOpinions opinions_;
};

TEST_F(JuryTest, AsksInBothOrdersAndStopsWhenItIsDecided) {
  const Judgements verdicts = Judged({Of("long one", "short")}, 5);
  ASSERT_TRUE(verdicts[0].ok()) << verdicts[0].status();
  EXPECT_EQ(verdicts[0]->preference, Preference::kLeft);
  EXPECT_EQ(verdicts[0]->votes.size(), 3u);  // of 5: two more could not change it
  ASSERT_EQ(opinions_.shown.size(), 6u);
  for (size_t i = 0; i < opinions_.shown.size(); i += 2) {
    EXPECT_EQ(opinions_.shown[i].first, opinions_.shown[i + 1].second);
    EXPECT_EQ(opinions_.shown[i].second, opinions_.shown[i + 1].first);
  }
  EXPECT_EQ(verdicts[0]->votes[0].left_first_reason, "long one or short");
  EXPECT_EQ(verdicts[0]->votes[0].right_first_reason, "short or long one");
}

TEST_F(JuryTest, WhatStandsFirstGainsNothing) {
  opinions_.prefer = [](const std::string&, const std::string&) { return Liking::kFirst; };
  const Judgements verdicts = Judged({Of("a", "b")});
  ASSERT_TRUE(verdicts[0].ok());
  EXPECT_EQ(verdicts[0]->preference, Preference::kNeutral);
  EXPECT_EQ(verdicts[0]->votes.size(), 6u);  // none was effective
}

TEST_F(JuryTest, EqualContestsAreJudgedOnceInEitherOrder) {
  const Judgements verdicts =
      Judged({Of("long one", "short"), Of("short", "long one"), Of("same", "same")}, 1);
  EXPECT_EQ(opinions_.shown.size(), 2u);
  EXPECT_EQ(verdicts[0]->preference, Preference::kLeft);
  EXPECT_EQ(verdicts[1]->preference, Preference::kRight);
  EXPECT_EQ(verdicts[1]->votes[0].left_first_reason, "short or long one");
  EXPECT_EQ(verdicts[2]->preference, Preference::kNeutral);
}

TEST_F(JuryTest, RemembersByContent) {
  Jury jury(&opinions_, {.votes = 1});
  const auto lived = Live<bool>([&](Scope& root) -> Async<bool> {
    for (int i = 1; i <= 3; ++i) {
      Scope scope = root.Open("group", "group:" + std::to_string(i), "");
      std::vector<Contest> contests = {Of("long one", "short")};
      const auto verdicts = co_await jury.Compare(scope, std::move(contests));
      CO_RETURN_IF_ERROR(verdicts[0].status());
      scope.End();
    }
    co_return true;
  });
  ASSERT_TRUE(lived.ok()) << lived.status();
  EXPECT_EQ(opinions_.shown.size(), 2u);
}

TEST_F(JuryTest, RanksInBothOrdersAtTheSameTime) {
  const auto ranking = Ranked({"a", "ccc", "dd", "ee"});
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  ASSERT_EQ(ranking->pairs.size(), 6u);
  EXPECT_EQ(ranking->pairs[0].verdict.preference, Preference::kRight);  // a, ccc
  EXPECT_EQ(ranking->pairs[3].verdict.preference, Preference::kLeft);   // ccc, dd
  EXPECT_EQ(ranking->pairs[5].verdict.preference,
            Preference::kNeutral);  // dd, ee: whichever was shown first
  EXPECT_EQ(opinions_.rankings, 2);
  EXPECT_EQ(opinions_.most_at_once, 2);
}

TEST_F(JuryTest, AReasonOfARankingIsOneOfTheTwoThatItTellsApart) {
  const auto ranking = Ranked({"a", "ccc", "dd"});
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  ASSERT_EQ(ranking->pairs[1].verdict.votes.size(), 1u);
  const Vote& vote = ranking->pairs[1].verdict.votes[0];  // a, dd
  EXPECT_EQ(vote.left_first_reason, "A: it says a\nB: it says dd");
  EXPECT_EQ(vote.right_first_reason, "A: it says dd\nB: it says a");
  EXPECT_EQ(vote.left_note, "it says a");
  EXPECT_EQ(vote.right_note, "it says dd");
}

TEST_F(JuryTest, ARankingThatRepeatsWhatWasShownIsMadeUpFor) {
  opinions_.unlooked = 1;
  const auto ranking = Ranked({"a", "ccc", "dddd", "eeeee"});
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  EXPECT_EQ(opinions_.rankings, 3);
  for (const auto& pair : ranking->pairs) {
    EXPECT_EQ(pair.verdict.preference, Preference::kRight);  // the longer one
  }
  opinions_.rankings = 0;
  opinions_.unlooked = 100;
  const auto never = Ranked({"a", "ccc", "dddd", "eeeee"});
  ASSERT_TRUE(never.ok()) << never.status();
  EXPECT_EQ(opinions_.rankings, Jury::kRankingCalls);
  for (const auto& pair : never->pairs) {
    EXPECT_EQ(pair.verdict.preference, Preference::kNeutral);
    EXPECT_THAT(pair.verdict.votes[0].left_first_reason + pair.verdict.votes[0].right_first_reason,
                HasSubstr("repeated the order"));
  }
}

TEST_F(JuryTest, RanksTheSameTextOnce) {
  const auto ranking = Ranked({"dd", "a", "dd"});
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  EXPECT_EQ(ranking->pairs[0].verdict.preference, Preference::kLeft);   // dd, a
  EXPECT_EQ(ranking->pairs[2].verdict.preference, Preference::kRight);  // a, dd
  EXPECT_EQ(ranking->pairs[1].verdict.preference, Preference::kNeutral);
  EXPECT_TRUE(ranking->pairs[1].verdict.votes.empty());
}

TEST_F(JuryTest, AsksNothingWhereAllAreTheSame) {
  const auto ranking = Ranked({"dd", "dd", "dd"});
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  EXPECT_EQ(opinions_.rankings, 0);
  ASSERT_EQ(ranking->pairs.size(), 3u);
  for (const auto& pair : ranking->pairs) {
    EXPECT_EQ(pair.verdict.preference, Preference::kNeutral);
  }
}

// --- what a model is shown ---

class ModelOpinionsTest : public RunTest {
 protected:
  ModelOpinionsTest() {
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/compare/prompts").ok());
    prompts_ = &library_;
    model_.reply = [this](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
      asked_.push_back(request.messages.back().text());
      ChatReply reply;
      reply.message = AssistantMessage(answer_);
      return reply;
    };
  }

  absl::StatusOr<Opinion> Ask(OpinionSettings::Form form, const std::string& first,
                              const std::string& second) {
    const ModelOpinions opinions({"evaluator", form, 0.3});
    return Live<Opinion>([&](Scope& root) -> Async<Opinion> {
      Matter matter{"What is it?", "It is short.", "42"};
      co_return co_await opinions.Prefer(root, "judge", std::move(matter), first, second);
    });
  }

  PromptLibrary library_;
  std::string answer_;
  std::vector<std::string> asked_;
};

TEST_F(ModelOpinionsTest, TellsNothingButTheTextsAndTheMatter) {
  answer_ = R"({"a": "long", "b": "short", "better": "B"})";
  const auto opinion = Ask(OpinionSettings::Form::kJson, "TEXT ONE", "TEXT TWO");
  ASSERT_TRUE(opinion.ok()) << opinion.status();
  EXPECT_EQ(opinion->liking, Liking::kSecond);
  EXPECT_EQ(opinion->reason, "A: long\nB: short");
  EXPECT_EQ(opinion->first_note, "long");
  EXPECT_EQ(opinion->second_note, "short");
}

TEST_F(ModelOpinionsTest, TheTwoOrdersDifferInTheTextsAlone) {
  answer_ = R"({"a": "", "b": "", "better": "same"})";
  const ModelOpinions opinions({});
  Jury jury(&opinions, {.votes = 1, .all_votes = 1});
  const auto lived = Live<bool>([&](Scope& root) -> Async<bool> {
    std::vector<Contest> contests = {{{"Q", "R", ""}, "TEXT ONE", "TEXT TWO"}};
    const auto verdicts = co_await jury.Compare(root, std::move(contests));
    CO_RETURN_IF_ERROR(verdicts[0].status());
    co_return true;
  });
  ASSERT_TRUE(lived.ok()) << lived.status();
  ASSERT_EQ(asked_.size(), 2u);
  std::string swapped = asked_[0];
  const size_t one = swapped.find("TEXT ONE");
  const size_t two = swapped.find("TEXT TWO");
  ASSERT_NE(one, std::string::npos);
  ASSERT_NE(two, std::string::npos);
  swapped.replace(one, 8, "TEXT TWO");
  swapped.replace(two, 8, "TEXT ONE");
  EXPECT_EQ(swapped, asked_[1]);
  for (const char* word :
       {"incumbent", "challenger", "round", "parent", "succeed", "seed", "new "}) {
    EXPECT_THAT(asked_[0], Not(HasSubstr(word)));
  }
}

TEST_F(ModelOpinionsTest, ReadsThePublishedTags) {
  answer_ = "<analyse>A is\nfine</analyse>\n<choose> a </choose><choose>B</choose>";
  const auto opinion = Ask(OpinionSettings::Form::kTags, "one", "two");
  ASSERT_TRUE(opinion.ok()) << opinion.status();
  EXPECT_EQ(opinion->liking, Liking::kFirst);
  EXPECT_EQ(opinion->reason, "A is\nfine");
  EXPECT_THAT(asked_[0], HasSubstr("<choose>A or B</choose>"));
}

TEST_F(ModelOpinionsTest, AReplyThatCannotBeReadIsNoOpinion) {
  answer_ = "I like both.";
  const auto tags = Ask(OpinionSettings::Form::kTags, "one", "two");
  ASSERT_TRUE(tags.ok()) << tags.status();
  EXPECT_EQ(tags->liking, Liking::kNone);
}

TEST_F(ModelOpinionsTest, TextsMayHaveTheSamePlace) {
  answer_ = R"({"notes": {"A": "wordy", "B": "brief", "C": "brief"},
                "places": {"A": 3, "B": 1, "C": 1}})";
  const ModelOpinions opinions({});
  const auto opinion = Live<RankingOpinion>([&](Scope& root) -> Async<RankingOpinion> {
    Matter matter{"", "It is short.", ""};
    std::vector<std::string> texts = {"TEXT ONE", "TEXT TWO", "TEXT THREE"};
    co_return co_await opinions.Rank(root, "judge", std::move(matter), std::move(texts));
  });
  ASSERT_TRUE(opinion.ok()) << opinion.status();
  EXPECT_THAT(opinion->order, ElementsAre(1, 2, 0));
  EXPECT_THAT(opinion->ties, ElementsAre(1));
  EXPECT_THAT(opinion->notes, ElementsAre("wordy", "brief", "brief"));
  // Length is for the requirements to speak of.
  EXPECT_THAT(asked_[0], Not(HasSubstr("longer")));
}

TEST_F(ModelOpinionsTest, TiesOfARankingAreNeutral) {
  answer_ = R"({"notes": {"A": "", "B": "", "C": ""}, "places": {"A": 2, "B": 1, "C": 2}})";
  const ModelOpinions opinions({});
  Jury jury(&opinions, {});
  const auto ranking = Live<Ranking>([&](Scope& root) -> Async<Ranking> {
    std::vector<std::string> texts = {"one", "two", "three"};
    Matter matter{"", "R", ""};
    co_return co_await jury.Rank(root, std::move(matter), std::move(texts));
  });
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  // In both orders the text in the middle was the best one, and the others were the same.
  int neutral = 0;
  for (const auto& pair : ranking->pairs) {
    neutral += pair.verdict.preference == Preference::kNeutral ? 1 : 0;
  }
  EXPECT_EQ(neutral, 1);
}

TEST(TextInTagTest, TakesTheFirst) {
  EXPECT_EQ(TextInTag("<a>1</a><a>2</a>", "a"), "1");
  EXPECT_EQ(TextInTag("<a>\n 1 \n</a>", "a"), "1");
  EXPECT_EQ(TextInTag("<a>1", "a"), std::nullopt);
  EXPECT_EQ(TextInTag("</a>1<a>", "a"), std::nullopt);
}

}  // namespace
}  // namespace troupe
