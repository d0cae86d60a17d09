// Which trial of a step goes on: by scores, or by a judge that is shown trials beside each other.
#include "agents/cellagent/trial_choice.h"

#include <gmock/gmock.h>

#include "agents/prompts/prompt_library.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using testing::HasSubstr;
using testing::Not;

class TrialChoiceTest : public RunTest {
 protected:
  TrialChoiceTest() {
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/compare/prompts").ok());
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/cellagent/prompts").ok());
    prompts_ = &library_;
    situation_.toolbox = &toolbox_;
    situation_.options.request = "Which group is larger?";
    situation_.options.requirements = "Use medians.";
    // The judge likes the text that says "careful".
    model_.reply = [this](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
      asked_.push_back(request.messages.back().text());
      ChatReply reply;
      reply.message = AssistantMessage(Judged(asked_.back()));
      return reply;
    };
  }

  std::string Judged(const std::string& text) const {
    const size_t second = text.find("<text_b>");
    if (second != std::string::npos) {
      const size_t liked = text.find(liked_);
      const char* const better = liked == std::string::npos ? "same" : liked < second ? "A" : "B";
      return DumpJson({{"a", "notes on one"}, {"b", "notes on other"}, {"better", better}});
    }
    Json notes = Json::object();
    Json places = Json::object();
    for (const char label : {'A', 'B', 'C'}) {
      const size_t at = text.find(fmt::format("<text label=\"{}\">", label));
      const size_t end = text.find("</text>", at);
      const size_t liked = text.find(liked_, at);
      notes[std::string(1, label)] = "notes";
      places[std::string(1, label)] = liked < end ? 1 : 2;
    }
    return DumpJson({{"notes", notes}, {"places", places}});
  }

  static Trial TrialOf(int number, double score, const std::string& code, double metric = -1) {
    Trial trial;
    trial.number = number;
    trial.ran = true;
    trial.score = score;
    trial.metric = metric;
    trial.code = code;
    trial.content.push_back(ToolText{"printed by " + code});
    return trial;
  }

  // The number of the chosen one, 0: none.
  int Choose(const std::vector<Trial>& trials, TrialChoice choice = TrialChoice::kTies) {
    situation_.options.trial_choice = choice;
    const std::string name = std::to_string(++steps_);
    int number = 0;
    const auto lived = Live<bool>([&](Scope& root) -> Async<bool> {
      Scope scope = root.Open("step", name, "");
      const PlannedStep step{"1", "Compare groups", "test", "By a test"};
      CO_ASSIGN_OR_RETURN(const ChosenTrial chosen,
                          co_await ChooseTrial(scope, situation_, step, trials));
      if (chosen.trial != nullptr) number = chosen.trial->number;
      reason_ = chosen.reason;
      scope.End();
      co_return true;
    });
    EXPECT_TRUE(lived.ok()) << lived.status();
    return number;
  }

  PromptLibrary library_;
  Toolbox toolbox_;
  Situation situation_;
  std::string liked_ = "careful";
  std::vector<std::string> asked_;
  std::string reason_;
  int steps_ = 0;
};

TEST_F(TrialChoiceTest, TheBestScoreDecidesWithoutAsking) {
  EXPECT_EQ(Choose({TrialOf(1, 6, "careful"), TrialOf(2, 7, "quick")}), 2);
  EXPECT_EQ(reason_, "The best score of 2 trials.");
  EXPECT_EQ(Choose({TrialOf(1, 6, "careful")}), 1);
  Trial broken;
  EXPECT_EQ(Choose({broken}), 0);
  EXPECT_EQ(Choose({broken, TrialOf(2, 1, "x")}), 2);
  EXPECT_EQ(model_.calls, 0);
}

TEST_F(TrialChoiceTest, EqualScoresAreComparedInBothOrders) {
  EXPECT_EQ(Choose({TrialOf(1, 7, "quick"), TrialOf(2, 7, "careful"), TrialOf(3, 6, "careful")}),
            2);
  ASSERT_EQ(model_.calls, 2);
  EXPECT_THAT(reason_, HasSubstr("Of equal scores, the best of 2 trials"));
  EXPECT_THAT(reason_, HasSubstr("notes on"));
  for (const std::string& text : asked_) {
    EXPECT_THAT(text, HasSubstr("Which group is larger?"));
    EXPECT_THAT(text, HasSubstr("Use medians."));
    EXPECT_THAT(text, HasSubstr("printed by quick"));
    // Neither number nor score of a trial.
    EXPECT_THAT(text, Not(HasSubstr("Trial ")));
    EXPECT_THAT(text, Not(HasSubstr("score")));
  }
  const auto quick_first = [](const std::string& text) {
    return text.find("printed by quick") < text.find("printed by careful");
  };
  EXPECT_NE(quick_first(asked_[0]), quick_first(asked_[1]));
}

TEST_F(TrialChoiceTest, TheFirstStaysWhereTheJudgeFindsNone) {
  liked_ = "nothing of this";
  EXPECT_EQ(Choose({TrialOf(1, 7, "quick"), TrialOf(2, 7, "careful")}), 1);
  EXPECT_THAT(reason_, HasSubstr("none was better"));
  // Nor is anything asked of trials that are the same.
  const int before = model_.calls;
  EXPECT_EQ(Choose({TrialOf(1, 7, "same"), TrialOf(2, 7, "same")}), 1);
  EXPECT_EQ(model_.calls, before);
}

TEST_F(TrialChoiceTest, AMetricDecides) {
  EXPECT_EQ(Choose({TrialOf(1, 7, "quick", 7), TrialOf(2, 7, "careful", 7)}), 1);
  EXPECT_EQ(
      Choose({TrialOf(1, 7, "quick", 7), TrialOf(2, 6, "careful", 6)}, TrialChoice::kComparison),
      1);
  EXPECT_EQ(model_.calls, 0);
}

TEST_F(TrialChoiceTest, AsPublishedTheScoreAloneDecides) {
  EXPECT_EQ(Choose({TrialOf(1, 7, "quick"), TrialOf(2, 7, "careful")}, TrialChoice::kScore), 1);
  EXPECT_EQ(model_.calls, 0);
}

TEST_F(TrialChoiceTest, WhereItIsAskedForAllAreComparedWhateverTheirScores) {
  EXPECT_EQ(Choose({TrialOf(1, 8, "quick"), TrialOf(2, 5, "careful"), TrialOf(3, 7, "odd")},
                   TrialChoice::kComparison),
            2);
  EXPECT_EQ(model_.calls, 2);  // ranked at once, in both orders
  // Scores decide where the judge does not.
  liked_ = "nothing of this";
  EXPECT_EQ(Choose({TrialOf(1, 5, "quick"), TrialOf(2, 8, "careful")}, TrialChoice::kComparison),
            2);
}

}  // namespace
}  // namespace troupe
