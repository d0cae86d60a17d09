// The control flow of SPO with models in its roles: how many calls it makes, what it shows to whom,
// and that a task that was cut off goes on where it was.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "agents/compare/model_opinions.h"
#include "agents/prompts/prompt_library.h"
#include "agents/spo/model_roles.h"
#include "agents/spo/record.h"
#include "agents/spo/spo.h"
#include "agents/spo/spo_result.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<Item> ItemsOf(const std::string& stem, int count) {
  std::vector<Item> items;
  for (int i = 1; i <= count; ++i) {
    Item item;
    item.number = i;
    item.question = stem + " number " + std::to_string(i) + ", which is asked once?";
    items.push_back(std::move(item));
  }
  return items;
}

// The word between two marks of a text; "" without them.
std::string Between(const std::string& text, const std::string& from, const std::string& to) {
  const size_t begin = text.find(from);
  if (begin == std::string::npos) return "";
  const size_t end = text.find(to, begin + from.size());
  return text.substr(begin + from.size(), end - begin - from.size());
}

class SpoFlowTest : public RunTest {
 protected:
  SpoFlowTest() {
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/compare/prompts").ok());
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/spo/prompts").ok());
    prompts_ = &library_;
    model_.reply = [this](const ChatRequest& request) { return Answer(request); };
    spec_.prompt = "Quality 10.";
    spec_.requirements = "High quality.";
  }

  // Each prompt is "Quality N."; the optimizer raises N by one, or says what `proposal` says; an
  // answer tells its prompt's quality; the judge likes the higher one, or what `judge` says.
  absl::StatusOr<ChatReply> Answer(const ChatRequest& request) {
    const std::string text = request.messages.back().text();
    std::string reply;
    if (request.prompt.starts_with("spo.optimizer")) {
      ++calls_["optimizer"];
      optimizer_texts_.push_back(text);
      reply = Propose(request, text);
    } else if (request.prompt.starts_with("compare.")) {
      ++calls_["evaluator"];
      judge_texts_.push_back(text);
      reply = Judge(request, text);
    } else {
      ++calls_["executor"];
      executor_texts_.push_back(text);
      reply = fmt::format("of quality {}!", QualityIn(text));
    }
    ChatReply chat;
    chat.message = AssistantMessage(reply);
    chat.usage = {10, 0, 5, 0, false};
    chat.cost_microusd = 50;
    chat.model = "counting";
    return chat;
  }

  int QualityIn(const std::string& text) const {
    const int quality = std::atoi(Between(text, "Quality ", ".").c_str());
    if (!joins_differ_) return quality;
    const size_t mark = text.find('.', text.find("Quality "));
    const size_t end = text.find_first_not_of('j', mark + 1);
    return quality + static_cast<int>(end - mark) - 1;
  }

  std::string Propose(const ChatRequest& request, const std::string& text) {
    if (proposal_) {
      const std::string said = proposal_(text);
      const auto reply = ParseJson(said, "reply");
      return reply.ok() ? WithJoined(*reply, text) : said;
    }
    const int quality = std::atoi(Between(text, "Quality ", ".").c_str());
    if (request.prompt.starts_with("spo.optimizer_tags")) {
      return fmt::format(
          "<analyse>a</analyse><modification>m</modification><prompt>Quality {}.</prompt>",
          quality + 1);
    }
    Json proposals = Json::array();
    for (int i = 1; i <= 3; ++i) {
      const int number = i == 3 ? 1 : ++last_quality_ + quality;
      proposals.push_back(
          {{"analysis", "a"},
           {"modification", "m" + std::to_string(i)},
           {"prompt", fmt::format("Quality {}.{}", number,
                                  i == 3 ? std::string(static_cast<size_t>(++bad_), 'x') : "")}});
    }
    return WithJoined({{"proposals", proposals}}, text);
  }

  // What is asked for alone. The prompts that are to be joined from others are no better than the
  // one they are made from.
  std::string WithJoined(Json reply, const std::string& text) {
    if (text.find("\"proposals\"") == std::string::npos) reply.erase("proposals");
    if (text.find("\"joined\"") == std::string::npos) return DumpJson(reply);
    reply["joined"] = Json::array();
    for (int i = 1; text.find(fmt::format("\n{}.\n", i)) != std::string::npos; ++i) {
      const size_t begin = text.find(fmt::format("\n{}.\n", i));
      const std::string join = text.substr(begin, text.find("\n\n", begin) - begin);
      if (!left_out_.empty() && join.find(left_out_) != std::string::npos) continue;
      const int quality = std::atoi(Between(text, "Quality ", ".").c_str());
      const std::string prompt =
          fmt::format("Quality {}.{}", quality, std::string(static_cast<size_t>(++bad_), 'j'));
      reply["joined"].push_back({{"number", i}, {"prompt", prompt}});
    }
    return DumpJson(reply);
  }

  std::string Judge(const ChatRequest& request, const std::string& text) {
    if (request.prompt.starts_with("compare.ranking")) return RankedReply(text);
    const size_t first = text.find("of quality ");
    const size_t second = text.find("of quality ", text.find(second_mark(request)));
    const int one = std::atoi(text.c_str() + first + 11);
    const int other = std::atoi(text.c_str() + second + 11);
    const std::string choice = judge_ ? judge_(one, other) : one > other ? "A" : "B";
    if (request.prompt.starts_with("compare.pair_tags")) {
      return fmt::format("<analyse>r</analyse><choose>{}</choose>", choice);
    }
    return DumpJson({{"a", fmt::format("it has {}", one)},
                     {"b", fmt::format("it has {}", other)},
                     {"better", choice}});
  }
  std::string RankedReply(const std::string& text) const {
    std::vector<int> qualities;
    for (const std::string& block : BlocksOf(text)) {
      qualities.push_back(std::atoi(Between(block, "of quality ", "!").c_str()));
    }
    std::vector<size_t> order(qualities.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t one, size_t other) {
      if (judge_ && qualities[one] != qualities[other]) {
        return judge_(qualities[one], qualities[other]) == "A";
      }
      return qualities[one] > qualities[other];
    });
    Json notes = Json::object();
    Json places = Json::object();
    for (size_t place = 0; place < order.size(); ++place) {
      const std::string label(1, static_cast<char>('A' + order[place]));
      places[label] = place + 1;
      notes[label] = fmt::format("it has {}", qualities[order[place]]);
    }
    return DumpJson({{"notes", notes}, {"places", places}});
  }

  // The texts that a judge is shown, in order.
  static std::vector<std::string> BlocksOf(const std::string& text) {
    std::vector<std::string> blocks;
    for (size_t at = text.find("\n<text"); at != std::string::npos;
         at = text.find("\n<text", at + 1)) {
      const size_t begin = text.find('>', at) + 1;
      blocks.push_back(text.substr(begin, text.find("\n</text", begin) - begin));
    }
    return blocks;
  }

  static std::string second_mark(const ChatRequest& request) {
    return request.prompt.starts_with("compare.pair_tags") ? "# B" : "<text_b>";
  }

  absl::StatusOr<SpoOutcome> RunTask() {
    const bool faithful = spec_.preset == SpoPreset::kFaithful;
    const ModelOptimizer optimizer(faithful ? ModelOptimizer::Form::kTags
                                            : ModelOptimizer::Form::kJson);
    const PromptTarget executor({kExecutor, kExecutorTemperature, std::nullopt});
    const ModelOpinions evaluator(
        {kEvaluator, faithful ? OpinionSettings::Form::kTags : OpinionSettings::Form::kJson,
         kEvaluatorTemperature});
    const LedgerAllowance allowance;
    const SpoRoles roles{&optimizer, executor_ != nullptr ? executor_ : &executor, &evaluator,
                         &allowance};
    return Live<SpoOutcome>([&](Scope& root) -> Async<SpoOutcome> {
      SpoOptions options = spec_;
      co_return co_await RunSpo(root, std::move(options), roles);
    });
  }

  void Faithful(int questions = 3) {
    spec_.preset = SpoPreset::kFaithful;
    spec_.votes = 4;
    spec_.sample = 3;
    spec_.questions = ItemsOf("Question", questions);
  }
  void Improved(int questions = 12, int held_out = 6) {
    spec_.questions = ItemsOf("Question", questions);
    spec_.held_out = ItemsOf("Secret", held_out);
  }

  PromptLibrary library_;
  SpoOptions spec_;
  const Target* executor_ = nullptr;  // in place of one call of the model
  std::map<std::string, int> calls_;
  std::vector<std::string> optimizer_texts_;
  std::vector<std::string> executor_texts_;
  std::vector<std::string> judge_texts_;
  std::function<std::string(const std::string&)> proposal_;
  std::function<std::string(int, int)> judge_;
  std::string left_out_;       // the optimizer joins nothing with this change
  bool joins_differ_ = false;  // no two prompts have the same quality
  int last_quality_ = 0;
  int bad_ = 0;
};

TEST_F(SpoFlowTest, FaithfulMakes75Calls) {
  Faithful(5);
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(calls_["optimizer"], 9);
  EXPECT_EQ(calls_["executor"], 30);
  EXPECT_EQ(calls_["evaluator"], 36);
  EXPECT_EQ(model_.calls, 75);
  EXPECT_EQ(outcome->best, 10);
  EXPECT_EQ(outcome->winner().text, "Quality 19.");
  EXPECT_EQ(outcome->ending, SpoEnding::kRounds);
  EXPECT_EQ(outcome->rounds.size(), 10u);
  // The first three questions alone.
  for (const std::string& text : executor_texts_) EXPECT_THAT(text, Not(HasSubstr("number 4")));
}

TEST_F(SpoFlowTest, FaithfulThrowsACoinForEachOrder) {
  Faithful();
  options_.seed = 7;
  ASSERT_TRUE(RunTask().ok());
  int challenger_first = 0;
  for (const std::string& text : judge_texts_) {
    const int a = std::atoi(Between(text, "of quality ", "!").c_str());
    const int b = std::atoi(Between(text.substr(text.find("# B")), "of quality ", "!").c_str());
    challenger_first += a > b ? 1 : 0;
  }
  EXPECT_GT(challenger_first, 9);
  EXPECT_LT(challenger_first, 27);
}

TEST_F(SpoFlowTest, FaithfulRejectsTies) {
  Faithful();
  int vote = 0;
  judge_ = [&vote](int one, int other) {
    const bool for_challenger = ++vote % 2 == 0;
    return (one > other) == for_challenger ? "A" : "B";
  };
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->best, 1);
  EXPECT_EQ(outcome->candidates[1].fate, PromptFate::kRejected);
  EXPECT_EQ(outcome->duels[0].verdict.preference, Preference::kNeutral);
  EXPECT_THAT(outcome->candidates[1].reason, HasSubstr("2 of 4 votes"));
  EXPECT_THAT(outcome->candidates[1].reason, HasSubstr("(A: prompt "));
}

TEST_F(SpoFlowTest, FaithfulTakesTheLatestAcceptedPrompt) {
  Faithful();
  spec_.rounds = 4;
  int proposed = 0;
  proposal_ = [&proposed](const std::string&) {
    const char* const prompts[] = {"Quality 30.", "Quality 20.", "Quality 31."};
    return fmt::format("<prompt>{}</prompt>", prompts[proposed++]);
  };
  judge_ = [](int, int other) { return other == 20 ? "B" : "A"; };
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok());
  int latest = 1;
  for (const Candidate& candidate : outcome->candidates) {
    if (candidate.fate == PromptFate::kAccepted) latest = candidate.number;
  }
  EXPECT_EQ(outcome->best, latest);
}

TEST_F(SpoFlowTest, FaithfulSpendsNothingOnAnEmptyPrompt) {
  Faithful();
  spec_.rounds = 3;
  proposal_ = [](const std::string&) { return "I have no idea."; };
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(model_.calls, 3 + 2);
  EXPECT_EQ(outcome->candidates[2].fate, PromptFate::kRefused);
  EXPECT_EQ(outcome->best, 1);
}

TEST_F(SpoFlowTest, ImprovedFindsTheBestAndProvesItOnHeldOutQuestions) {
  Improved(12, 30);
  spec_.rounds = 4;
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_NE(outcome->best, 1) << outcome->choice;
  int tournament = 0;
  for (const Duel& duel : outcome->duels) tournament += duel.round == 0 ? 1 : 0;
  EXPECT_GT(tournament, 0);
  // Optimizer and search never see a held-out question.
  for (const std::string& text : optimizer_texts_) EXPECT_THAT(text, Not(HasSubstr("Secret")));
  for (const Duel& duel : outcome->duels) {
    for (const std::string& question : duel.questions)
      EXPECT_EQ(question[0], duel.round == 0 ? 'h' : 'q');
  }
}

// The ids of the questions that are compared at a time, by round.
std::map<int, std::set<std::vector<std::string>>> QuestionsByRound(const SpoOutcome& outcome) {
  std::map<int, std::set<std::vector<std::string>>> questions;
  for (const Duel& duel : outcome.duels) questions[duel.round].insert(duel.questions);
  return questions;
}

TEST_F(SpoFlowTest, ImprovedRanksOnOneQuestionWhereCallsAreFewAndItTellsPromptsApart) {
  Improved(12, 30);
  spec_.rounds = 100;
  joins_differ_ = true;
  options_.limits.task.model_calls = 120;
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto questions = QuestionsByRound(*outcome);
  ASSERT_TRUE(questions.contains(3));
  ASSERT_TRUE(questions.contains(0));
  EXPECT_EQ(questions.at(2).size(), 1u);
  for (const auto& [round, sets] : questions) {
    for (const auto& set : sets) EXPECT_EQ(set.size(), 1u) << round;
  }
}

TEST_F(SpoFlowTest, ImprovedAsksAnotherQuestionWhereOneTellsPromptsApartBadly) {
  Improved(12, 30);
  spec_.rounds = 100;
  options_.limits.task.model_calls = 120;  // what is joined is answered alike
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto questions = QuestionsByRound(*outcome);
  ASSERT_TRUE(questions.contains(3));
  ASSERT_EQ(questions.at(2).size(), 2u);
  for (const auto& set : questions.at(2)) EXPECT_EQ(set.size(), 1u);
  for (const auto& set : questions.at(3)) EXPECT_EQ(set.size(), 2u);
}

TEST_F(SpoFlowTest, ImprovedComparesAsManyQuestionsAsItIsToldTo) {
  Improved(12, 30);
  spec_.rounds = 100;
  spec_.sample = 3;
  options_.limits.task.model_calls = 120;
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto questions = QuestionsByRound(*outcome);
  ASSERT_TRUE(questions.contains(2));
  for (const auto& set : questions.at(2)) EXPECT_EQ(set.size(), 3u);
}

TEST_F(SpoFlowTest, ImprovedAsksEveryVoteInBothOrders) {
  Improved();
  spec_.rounds = 3;
  ASSERT_TRUE(RunTask().ok());
  ASSERT_EQ(judge_texts_.size() % 2, 0u);
  std::map<std::string, int> forward;
  std::map<std::string, int> reversed;
  for (const std::string& text : judge_texts_) {
    const std::string matter = text.substr(0, text.find("\n<text"));
    std::vector<std::string> blocks = BlocksOf(text);
    ASSERT_GE(blocks.size(), 2u);
    ++forward[matter + fmt::format("{}", fmt::join(blocks, "|"))];
    std::reverse(blocks.begin(), blocks.end());
    ++reversed[matter + fmt::format("{}", fmt::join(blocks, "|"))];
    // Neither whose the answers are nor what the prompts say.
    EXPECT_THAT(text, Not(HasSubstr("Quality ")));
    for (const char* word : {"incumbent", "challenger", "succeed", "parent"}) {
      EXPECT_THAT(text, Not(HasSubstr(word)));
    }
  }
  EXPECT_EQ(forward, reversed);
}

TEST_F(SpoFlowTest, ImprovedShowsFailuresToTheOptimizer) {
  Improved();
  spec_.rounds = 3;
  ASSERT_TRUE(RunTask().ok());
  ASSERT_GE(optimizer_texts_.size(), 3u);  // changes, what to make of them, the next round
  EXPECT_THAT(optimizer_texts_[0], Not(HasSubstr("did not win")));
  // Each with what was said of its own answers, and no letters by which the judge knew them.
  EXPECT_THAT(optimizer_texts_[2], HasSubstr("- m3 (Of comparisons with others "));
  EXPECT_THAT(optimizer_texts_[2], HasSubstr(" undecided. it has 1)"));
  EXPECT_THAT(optimizer_texts_[2], Not(HasSubstr("A: ")));
}

TEST_F(SpoFlowTest, ImprovedSaysOfNoChangeThatWasNeverTriedThatItFailed) {
  Improved();
  spec_.rounds = 5;
  left_out_ = "with this: m2";
  ASSERT_TRUE(RunTask().ok());
  ASSERT_GE(optimizer_texts_.size(), 3u);
  for (const std::string& text : optimizer_texts_) EXPECT_THAT(text, Not(HasSubstr("- m2 (")));
}

TEST(SpoResultTest, AWinTellsHowManyDifferentItemsItIsOf) {
  SpoOutcome outcome;
  AddCandidate(outcome, 0, 1, {"First.", "", "", 0});
  AddCandidate(outcome, 1, 2, {"Better.", "", "", 0});
  outcome.best = 2;
  const auto duel = [&](int left, int right, Preference preference,
                        std::vector<std::string> questions, int round = 0) {
    outcome.duels.push_back({round, left, right, {preference, {}}, std::move(questions), 1});
  };
  duel(1, 2, Preference::kRight, {"h1", "h2"});
  duel(2, 1, Preference::kLeft, {"h2", "h3"});
  duel(1, 2, Preference::kNeutral, {"h1", "h3"});
  duel(1, 2, Preference::kLeft, {"q1"}, 1);  // in the search: no evidence
  v1::TaskResult result;
  AddPromptWin(outcome, "solve.task", result);
  ASSERT_EQ(result.wins_size(), 1);
  const v1::PromptWin& win = result.wins(0);
  EXPECT_EQ(win.items(), 3);
  EXPECT_EQ(win.comparisons(), 3);
  EXPECT_EQ(win.wins(), 2);
  EXPECT_EQ(win.ties(), 1);
  EXPECT_EQ(win.losses(), 0);
  EXPECT_DOUBLE_EQ(win.p_value(), 0.5);  // two throws of a coin, both the same way
}

TEST_F(SpoFlowTest, ImprovedStopsWhenNothingIsGained) {
  Improved();
  spec_.rounds = 50;
  spec_.patience = 2;
  judge_ = [](int one, int other) { return one > other ? "B" : "A"; };  // likes the lower one
  proposal_ = [this](const std::string&) {
    return DumpJson(
        {{"proposals", Json::array({{{"analysis", ""},
                                     {"modification", "m"},
                                     {"prompt", fmt::format("Quality {}.", 50 + ++bad_)}}})}});
  };
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->ending, SpoEnding::kNoGain);
  EXPECT_EQ(outcome->rounds.size(), 3u);
  EXPECT_EQ(outcome->best, 1);
  EXPECT_EQ(outcome->winner().text, "Quality 10.");
}

TEST_F(SpoFlowTest, ImprovedSpendsNothingOnRefusedPrompts) {
  Improved();
  spec_.rounds = 2;
  proposal_ = [](const std::string&) {
    Json proposals = Json::array();
    for (const char* prompt :
         {"", "quality  10.", "Quality 1. As in: Secret number 2, which is asked once?"}) {
      proposals.push_back({{"analysis", ""}, {"modification", "m"}, {"prompt", prompt}});
    }
    return DumpJson({{"proposals", proposals}});
  };
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(model_.calls, 2 + 1);  // the first prompt on two questions, one proposal
  ASSERT_EQ(outcome->candidates.size(), 4u);
  EXPECT_THAT(outcome->candidates[1].reason, HasSubstr("empty"));
  EXPECT_THAT(outcome->candidates[2].reason, HasSubstr("the same"));
  EXPECT_THAT(outcome->candidates[3].reason, HasSubstr("gives away"));
}

TEST_F(SpoFlowTest, ImprovedSpendsNoCallOfTheJudgeOnTheSameAnswers) {
  Improved();
  spec_.rounds = 2;
  proposal_ = [](const std::string&) {
    Json proposals = Json::array();
    for (const char* prompt : {"Quality 10. Think.", "Quality 10. Think twice."}) {
      proposals.push_back({{"analysis", ""}, {"modification", "m"}, {"prompt", prompt}});
    }
    return DumpJson({{"proposals", proposals}});
  };
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(calls_["evaluator"], 0);
  ASSERT_GE(outcome->candidates.size(), 3u);
  for (const size_t i : {size_t{1}, size_t{2}}) {
    EXPECT_THAT(outcome->candidates[i].reason, HasSubstr("0 won, 0 lost, "));
    EXPECT_THAT(outcome->candidates[i].reason, HasSubstr("undecided. Its answers were the same"));
  }
}

TEST(SpoResultTest, TheTournamentIsToldAsItEnded) {
  SpoOutcome outcome;
  AddCandidate(outcome, 0, 1, {"First.", "", "", 0});
  AddCandidate(outcome, 1, 2, {"Better.", "", "", 0});
  for (int i = 0; i < 8; ++i) {
    const Preference preference = i < 6 ? Preference::kRight : Preference::kLeft;
    outcome.duels.push_back({0, 1, 2, {preference, {}}, {"h1"}, 1});
  }
  v1::SpoResult result;
  ASSERT_TRUE(FillSpoResult(outcome, result).ok());
  ASSERT_EQ(result.tournament_size(), 2);
  EXPECT_EQ(result.tournament(0).name(), "2");
  // 6 of 8 won are odds of 3 to 1.
  EXPECT_NEAR(result.tournament(0).strength() - result.tournament(1).strength(), std::log(3), 0.1);
}

class SpoBudgetTest : public SpoFlowTest, public testing::WithParamInterface<int64_t> {};

TEST_P(SpoBudgetTest, ItEndsWithTheBestSoFar) {
  Improved(12, 18);
  spec_.rounds = 100;
  options_.limits.task.model_calls = GetParam();
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_LE(model_.calls, GetParam());
  EXPECT_FALSE(outcome->winner().text.empty());
  EXPECT_TRUE(outcome->ending == SpoEnding::kBudget || outcome->ending == SpoEnding::kStopped);
}

TEST_P(SpoBudgetTest, SoDoesMoney) {
  Improved(12, 18);
  spec_.rounds = 100;
  options_.limits.task.cost_microusd = 50 * GetParam();
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_LE(run_->ledger().spent().cost_microusd, 50 * GetParam());
  EXPECT_FALSE(outcome->winner().text.empty());
  EXPECT_TRUE(outcome->ending == SpoEnding::kBudget || outcome->ending == SpoEnding::kStopped);
}

// Answers by three calls, as an agent does.
class ThreeCalls : public Target {
 public:
  Async<TargetAnswer> Run(const Scope& scope, Item item, PromptUnderTest prompt) const override {
    const PromptTarget one({kExecutor, kExecutorTemperature, std::nullopt});
    TargetAnswer answer;
    for (const char* const name : {"a", "b", "c"}) {
      Scope part = scope.Open("part", name, "");
      CO_ASSIGN_OR_RETURN(answer, co_await one.Run(part, item, prompt));
      part.End();
    }
    co_return answer;
  }
};

TEST_F(SpoFlowTest, LearnsWhatARunOfAnAgentCosts) {
  Improved(12, 18);
  spec_.rounds = 100;
  const ThreeCalls agent;
  executor_ = &agent;
  options_.limits.task.model_calls = 300;
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  // It ends by its own choice, with the tournament played, and not where the budget cuts it off.
  EXPECT_EQ(outcome->ending, SpoEnding::kBudget) << outcome->stopped;
  EXPECT_TRUE(run_->ledger().refusal().ok()) << run_->ledger().refusal();
  EXPECT_LE(model_.calls, 300);
  EXPECT_GT(outcome->rounds.size(), 1u);
  int tournament = 0;
  for (const Duel& duel : outcome->duels) tournament += duel.round == 0 ? 1 : 0;
  EXPECT_GT(tournament, 0);
}

TEST_F(SpoFlowTest, MoneyGoesAsFarAsTheCallsThatItBuys) {
  Improved(12, 30);
  spec_.rounds = 100;
  options_.limits.task.model_calls = 150;
  const auto by_calls = RunTask();
  ASSERT_TRUE(by_calls.ok()) << by_calls.status();
  ForgetRecord();
  last_quality_ = bad_ = 0;
  options_.limits.task.model_calls = 0;
  options_.limits.task.cost_microusd = 150 * 50;
  model_.estimate = {10, 5, 50};
  const auto by_money = RunTask();
  ASSERT_TRUE(by_money.ok()) << by_money.status();
  EXPECT_GT(by_calls->rounds.size(), 1u);
  EXPECT_EQ(by_money->rounds.size(), by_calls->rounds.size());
}

TEST_F(SpoFlowTest, WhatIsRefusedBesideOthersIsAskedBesideFewer) {
  Improved(12, 6);
  spec_.rounds = 2;
  model_.yields = 10;
  // Two calls at a time are held beside what this run costs in all.
  model_.estimate = {10, 5, 5000};
  options_.limits.task.cost_microusd = 100 * 50 + 2 * 5000;
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->stopped.ok()) << outcome->stopped;
  EXPECT_FALSE(run_->ledger().refusal().ok());  // some were refused
  EXPECT_EQ(outcome->rounds.size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Calls, SpoBudgetTest, testing::Values(1, 5, 20, 50, 120));

// The task is stopped at its nth call, as by a crash, and goes on in another life.
class SpoCrashTest : public SpoFlowTest, public testing::WithParamInterface<int> {};

TEST_P(SpoCrashTest, WhatWasPaidForIsNotPaidForAgain) {
  Improved(12, 6);
  spec_.rounds = 3;
  options_.seed = 11;
  CancelSource source;
  options_.cancel = options_.hard_cancel = source.token();
  std::map<std::string, int> answered;
  int made = 0;
  const auto plain = model_.reply;
  model_.reply = [&](const ChatRequest& request) {
    auto reply = plain(request);
    ++answered[request.prompt + request.messages.back().text()];
    if (++made == GetParam()) source.Cancel(CancelReason::kShutdown, "the server ends");
    return reply;
  };
  const auto cut_off = RunTask();
  ASSERT_FALSE(cut_off.ok());
  options_.cancel = options_.hard_cancel = CancelToken();
  const auto outcome = RunTask();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  for (const auto& [request, times] : answered) EXPECT_EQ(times, 1) << request;
  const int all = made;
  const auto again = RunTask();  // from the record alone
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(made, all);
  EXPECT_EQ(again->best, outcome->best);
  EXPECT_EQ(again->duels.size(), outcome->duels.size());
}

// In the first answers, the proposal, the first answers of challengers, votes, a second stage.
INSTANTIATE_TEST_SUITE_P(At, SpoCrashTest, testing::Values(2, 4, 7, 12, 16, 21, 30));

}  // namespace
}  // namespace troupe
