// OptoPrime with a model in its place: what it is shown, and what is made of what it says.
#include "agents/trace/opto_prime.h"

#include <gmock/gmock.h>

#include "agents/prompts/prompt_library.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Refuses code that says "broken".
class WordChecker : public CodeChecker {
 public:
  Async<std::string> WhyRefused(const Scope&, std::string, std::string code,
                                std::string) const override {
    co_return code.find("broken") == std::string::npos ? "" : "it does not parse";
  }
};

class OptoPrimeTest : public RunTest {
 protected:
  OptoPrimeTest() {
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/trace/prompts").ok());
    prompts_ = &library_;
    options_.rules.checker = &checker_;
    model_.reply = [this](const ChatRequest& request) {
      requests_.push_back(request);
      ChatReply reply;
      reply.message =
          AssistantMessage(replies_[std::min(requests_.size() - 1, replies_.size() - 1)]);
      reply.usage = {10, 0, 5, 0, false};
      reply.model = "counting";
      return reply;
    };
    Propagation propagation(graph_);
    EXPECT_TRUE(propagation.Backward(out_, "The word must be longer.").ok());
    problem_ = MakeProblem(graph_, propagation.Whole(), {});
  }

  static std::string Reply(const Json& suggestion, const std::string& answer = "") {
    return DumpJson({{"reasoning", "because"}, {"answer", answer}, {"suggestion", suggestion}});
  }
  // All variables left as they are, but for `changes`.
  static Json Suggest(const Json& changes) {
    Json all = {{"count0", nullptr}, {"flag0", nullptr}, {"words0", nullptr}, {"__code0", nullptr}};
    all.update(changes);
    return all;
  }

  GraphProposal Propose() {
    const OptoPrime optimizer(options_);
    auto proposal = Live<GraphProposal>([&](Scope& root) -> Async<GraphProposal> {
      co_return co_await optimizer.Propose(root, "step", problem_, state_);
    });
    EXPECT_TRUE(proposal.ok()) << proposal.status();
    return *std::move(proposal);
  }

  Graph graph_;
  NodeId count_ = graph_.AddParameter("count", int64_t{2}, {.constraint = "at most 9"});
  NodeId flag_ = graph_.AddParameter("flag", true);
  NodeId words_ = graph_.AddParameter("words", GraphJson{Json::array({"a"})});
  NodeId code_ = graph_.AddParameter("__code", GraphCode{"def f(x):\n  return x"});
  NodeId out_ = graph_.AddOperation(
      "eval", {{"count", count_}, {"flag", flag_}, {"words", words_}, {"__code", code_}}, "a");
  Problem problem_;
  PromptLibrary library_;
  WordChecker checker_;
  OptoPrimeOptions options_;
  OptimizerState state_;
  std::vector<std::string> replies_;
  std::vector<ChatRequest> requests_;
};

TEST_F(OptoPrimeTest, TakesTypedValues) {
  replies_ = {Reply(Suggest({{"count0", 5}, {"words0", {"long", "word"}}}))};
  const GraphProposal proposal = Propose();
  ASSERT_THAT(proposal.changes, SizeIs(2));
  EXPECT_EQ(proposal.changes[0].node, count_);
  EXPECT_EQ(proposal.changes[0].value, GraphValue(int64_t{5}));
  EXPECT_EQ(proposal.changes[1].value, GraphValue(GraphJson{Json::array({"long", "word"})}));
  EXPECT_EQ(proposal.reasoning, "because");
  EXPECT_THAT(proposal.refused, SizeIs(0));
  EXPECT_EQ(model_.calls, 1);
  const std::string shown = requests_[0].messages.back().text();
  EXPECT_THAT(shown, HasSubstr("#Variables\n(int) count0=2\n(bool) flag0=True"));
  EXPECT_THAT(shown, HasSubstr("#Constraints\n(int) count0: at most 9"));
  EXPECT_THAT(shown, HasSubstr("#Feedback\nThe word must be longer."));
}

TEST_F(OptoPrimeTest, NeverCastsAndTellsTheModelOnce) {
  // By the schema "False" is no truth value, so the reply is repaired as any that does not fit.
  replies_ = {Reply(Suggest({{"flag0", "False"}})), Reply(Suggest({{"flag0", false}}))};
  const GraphProposal proposal = Propose();
  ASSERT_THAT(proposal.changes, SizeIs(1));
  EXPECT_EQ(proposal.changes[0].value, GraphValue(false));
  EXPECT_EQ(model_.calls, 2);
}

TEST_F(OptoPrimeTest, ARefusedReplyNamesTheVariablesThatDoNotFit) {
  replies_ = {Reply(Suggest({{"flag0", "False"}, {"words0", {{"a", 1}}}})),
              Reply(Suggest({{"flag0", "False"}, {"words0", {{"a", 1}}}}))};
  const GraphProposal proposal = Propose();
  EXPECT_THAT(proposal.changes, SizeIs(0));
  ASSERT_THAT(proposal.refused, SizeIs(2));
  EXPECT_EQ(proposal.refused[0].name, "flag0");
  EXPECT_THAT(proposal.refused[0].why, HasSubstr("must be boolean or null, but is a string"));
  EXPECT_EQ(proposal.refused[1].name, "words0");
  // Of what is no JSON at all there is nothing to name.
  ForgetRecord();
  replies_ = {"no JSON", "no JSON"};
  const GraphProposal nothing = Propose();
  ASSERT_THAT(nothing.refused, SizeIs(1));
  EXPECT_EQ(nothing.refused[0].name, "");
}

TEST_F(OptoPrimeTest, SuggestedObjectsKeepTheProgramsOrder) {
  const GraphValue current(
      GraphJson{OrderedJson::parse(R"({"z": {"b": 1, "a": [{"d": 1, "c": 2}]}, "m": 2})")});
  const Json suggested = Json::parse(R"({"a": 0, "m": 3, "z": {"a": [{"c": 4, "d": 5}], "b": 6}})");
  EXPECT_EQ(JsonText(*TypedValue(current, suggested)),
            R"({"z":{"b":6,"a":[{"d":5,"c":4}]},"m":3,"a":0})");
  // The same members in another order are no change.
  EXPECT_EQ(*TypedValue(current, JsonOf(current)), current);
}

TEST_F(OptoPrimeTest, TypedValuesAreWhatTheyAre) {
  EXPECT_FALSE(TypedValue(GraphValue(true), "False").ok());
  EXPECT_FALSE(TypedValue(GraphValue(int64_t{1}), "2").ok());
  EXPECT_FALSE(TypedValue(GraphValue(int64_t{1}), 2.5).ok());
  EXPECT_EQ(*TypedValue(GraphValue(int64_t{1}), 2.0), GraphValue(int64_t{2}));
  EXPECT_EQ(*TypedValue(GraphValue(1.0), 2), GraphValue(2.0));
  EXPECT_FALSE(TypedValue(GraphValue(GraphJson{Json::array()}), "ab").ok());
  EXPECT_FALSE(TypedValue(GraphValue(GraphJson{Json::object()}), Json::array()).ok());
  EXPECT_FALSE(TypedValue(GraphValue("text"), 7).ok());
  EXPECT_FALSE(TypedValue(GraphValue(GraphCode{"x"}), "  \n").ok());
  EXPECT_EQ(*TypedValue(GraphValue(), "text"), GraphValue("text"));
}

TEST_F(OptoPrimeTest, CodeThatDoesNotParseIsSentBack) {
  replies_ = {Reply(Suggest({{"__code0", "broken"}, {"count0", 3}})),
              Reply(Suggest({{"__code0", "def f(x):\n  return x + x"}, {"count0", 3}}))};
  const GraphProposal proposal = Propose();
  EXPECT_THAT(proposal.changes, SizeIs(2));
  EXPECT_THAT(proposal.refused, SizeIs(0));
  ASSERT_THAT(requests_, SizeIs(2));
  EXPECT_THAT(requests_[1].messages.back().text(), HasSubstr("__code0: it does not parse"));
}

TEST_F(OptoPrimeTest, WhatStaysWrongIsRefusedAndToldInTheNextStep) {
  replies_ = {Reply(Suggest({{"__code0", "broken"}, {"count0", 3}}))};
  const GraphProposal proposal = Propose();
  EXPECT_THAT(proposal.changes, SizeIs(1));  // the good one is kept
  ASSERT_THAT(proposal.refused, SizeIs(1));
  EXPECT_EQ(proposal.refused[0].name, "__code0");
  EXPECT_EQ(model_.calls, 2);
  Remember(problem_, proposal, 5, state_);
  ForgetRecord();
  requests_.clear();
  replies_ = {Reply(Suggest(Json::object()))};
  Propose();
  EXPECT_THAT(requests_[0].messages.back().text(), HasSubstr("- __code0: it does not parse"));
}

TEST_F(OptoPrimeTest, TerminateIsTheWholeAnswerAndNotAWordInIt) {
  replies_ = {Reply(Suggest({{"__code0", "def f(x):\n  return 'TERMINATE'"}}), "")};
  EXPECT_THAT(Propose().changes, SizeIs(1));
  ForgetRecord();
  requests_.clear();
  replies_ = {Reply(Suggest({{"count0", 3}}), "I would TERMINATE")};
  EXPECT_FALSE(Propose().finished);
  ForgetRecord();
  requests_.clear();
  replies_ = {Reply(Suggest({{"count0", 3}}), " TERMINATE\n")};
  const GraphProposal proposal = Propose();
  EXPECT_TRUE(proposal.finished);
  EXPECT_THAT(proposal.changes, SizeIs(0));
}

TEST_F(OptoPrimeTest, RemembersTheLastRoundsAndShowsThem) {
  for (int64_t i = 1; i <= 7; ++i) {
    problem_.variables[0].value = i;
    problem_.feedback = "feedback number " + std::to_string(i);
    Remember(problem_, GraphProposal(), kDefaultMemory, state_);
  }
  EXPECT_THAT(state_.memory, SizeIs(5));
  const OptimizerState back = OptimizerState::FromJson(state_.ToJson());
  EXPECT_EQ(back.ToJson(), state_.ToJson());
  replies_ = {Reply(Suggest(Json::object()))};
  Propose();
  const std::string shown = requests_[0].messages.back().text();
  EXPECT_THAT(shown, HasSubstr("Feedback: feedback number 3"));
  EXPECT_THAT(shown, HasSubstr("\"count0\": 7"));
  EXPECT_THAT(shown, Not(HasSubstr("feedback number 2")));
}

TEST_F(OptoPrimeTest, ProjectionsClipAndRefuse) {
  options_.corrections = 0;
  options_.rules.projections = {{.parameter = "count:*", .most = 9},
                                {.parameter = "words:0", .max_length = 1}};
  replies_ = {Reply(Suggest({{"count0", 100}, {"words0", {"a", "b"}}}))};
  const GraphProposal proposal = Propose();
  ASSERT_THAT(proposal.changes, SizeIs(1));
  EXPECT_EQ(proposal.changes[0].value, GraphValue(int64_t{9}));
  ASSERT_THAT(proposal.refused, SizeIs(1));
  EXPECT_EQ(proposal.refused[0].why, "it has 2 elements and may have 1");
}

TEST_F(OptoPrimeTest, TheTaggedFormShowsTags) {
  options_.form = OptoPrimeOptions::Form::kTags;
  replies_ = {Reply(Suggest({{"count0", 3}}))};
  EXPECT_THAT(Propose().changes, SizeIs(1));
  EXPECT_THAT(requests_[0].messages.back().text(), HasSubstr("<constraint>at most 9</constraint>"));
}

TEST_F(OptoPrimeTest, ARestartAsksNothingTwice) {
  replies_ = {Reply(Suggest({{"count0", 5}}))};
  Propose();
  EXPECT_EQ(model_.calls, 1);
  EXPECT_THAT(Propose().changes, SizeIs(1));
  EXPECT_EQ(model_.calls, 1);
}

TEST_F(OptoPrimeTest, AReplyThatIsNeverValidChangesNothing) {
  replies_ = {"no JSON at all"};
  const GraphProposal proposal = Propose();
  EXPECT_THAT(proposal.changes, SizeIs(0));
  EXPECT_THAT(proposal.refused, SizeIs(1));
}

}  // namespace
}  // namespace troupe
