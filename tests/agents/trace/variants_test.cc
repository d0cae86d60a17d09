// OptoPrimeMulti, OPRO and TextGrad with a model in its place: how many calls they make, what each
// sees.
#include <gmock/gmock.h>

#include <map>

#include "agents/prompts/prompt_library.h"
#include "agents/trace/baselines.h"
#include "agents/trace/opto_prime_multi.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// y = x * k + x, of which x may change.
class VariantsTest : public RunTest {
 protected:
  VariantsTest() {
    EXPECT_TRUE(library_.LoadFolder(TROUPE_SOURCE_DIR "/agents/trace/prompts").ok());
    prompts_ = &library_;
    model_.reply = [this](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
      const std::string prompt = request.prompt.substr(0, request.prompt.find('@'));
      const std::string text = request.messages.InOrder().front()->text();
      ++calls_[prompt];
      texts_[prompt].push_back(text);
      if (request.temperature.has_value()) temperatures_.push_back(*request.temperature);
      ChatReply reply;
      reply.message = AssistantMessage(answer_(prompt, text));
      reply.usage = {10, 0, 5, 0, false};
      reply.model = "counting";
      return reply;
    };
    answer_ = [this](const std::string& prompt, const std::string&) {
      if (prompt == "trace.select") return DumpJson({{"reasoning", "r"}, {"best", 2}});
      if (prompt == "trace.experts")
        return DumpJson({{"experts", {"a baker", "a judge", "a sailor"}}});
      if (prompt == "trace.textgrad_backward") return DumpJson({{"criticism", "it is too small"}});
      return Suggestion(++suggested_ * 10);
    };
    Propagation propagation(graph_);
    EXPECT_TRUE(propagation.Backward(out_, "It must be 100.").ok());
    problem_ = MakeProblem(graph_, propagation.Whole(), {});
  }

  static std::string Suggestion(int64_t value) {
    return DumpJson({{"reasoning", "try"}, {"answer", ""}, {"suggestion", {{"x0", value}}}});
  }

  GraphProposal Propose(const GraphOptimizer& optimizer) {
    auto proposal = Live<GraphProposal>([&](Scope& root) -> Async<GraphProposal> {
      co_return co_await optimizer.Propose(root, "step", problem_, state_);
    });
    EXPECT_TRUE(proposal.ok()) << proposal.status();
    return proposal.ok() ? *std::move(proposal) : GraphProposal();
  }
  static int64_t ValueIn(const GraphProposal& proposal) {
    return proposal.changes.empty() ? -1 : std::get<int64_t>(proposal.changes[0].value);
  }

  Graph graph_;
  NodeId x_ = graph_.AddParameter("x", int64_t{2});
  NodeId k_ = graph_.AddValue("k", int64_t{3});
  NodeId product_ = graph_.AddOperation("multiply", {{"x", x_}, {"y", k_}}, int64_t{6});
  NodeId out_ = graph_.AddOperation("add", {{"x", product_}, {"y", x_}}, int64_t{8});
  Problem problem_;
  OptimizerState state_;
  PromptLibrary library_;
  std::function<std::string(const std::string& prompt, const std::string& text)> answer_;
  int64_t suggested_ = 0;
  std::map<std::string, int> calls_;
  std::map<std::string, std::vector<std::string>> texts_;
  std::vector<double> temperatures_;
};

TEST_F(VariantsTest, TemperaturesAreSpreadAndTheModelChooses) {
  const GraphProposal proposal = Propose(OptoPrimeMulti({}, {.count = 3}));
  EXPECT_EQ(calls_["trace.optoprime"], 3);
  EXPECT_EQ(calls_["trace.select"], 1);
  EXPECT_THAT(temperatures_, ElementsAre(1, 0.5, 0, 0));
  EXPECT_EQ(ValueIn(proposal), 20);
  // Run again it is the same, and nothing is asked.
  EXPECT_EQ(ValueIn(Propose(OptoPrimeMulti({}, {.count = 3}))), 20);
  EXPECT_EQ(calls_["trace.optoprime"], 3);
}

TEST_F(VariantsTest, RefinementsAreMadeOfTheOneBefore) {
  MultiOptions options;
  options.generation = MultiOptions::Generation::kRefinement;
  options.selection = MultiOptions::Selection::kLast;
  EXPECT_EQ(ValueIn(Propose(OptoPrimeMulti({}, options))), 30);
  ASSERT_THAT(texts_["trace.optoprime"], SizeIs(3));
  EXPECT_THAT(texts_["trace.optoprime"][0], Not(HasSubstr("<proposal")));
  EXPECT_THAT(texts_["trace.optoprime"][2], HasSubstr("\"x0\": 20"));
  EXPECT_THAT(texts_["trace.optoprime"][2], HasSubstr("make a better one"));
}

TEST_F(VariantsTest, AlternativesGoAnotherWayAndExpertsAreSomebody) {
  MultiOptions options;
  options.generation = MultiOptions::Generation::kAlternatives;
  options.selection = MultiOptions::Selection::kLast;
  Propose(OptoPrimeMulti({}, options));
  EXPECT_THAT(texts_["trace.optoprime"][1], HasSubstr("goes another way"));
  ForgetRecord();
  texts_.clear();
  options.generation = MultiOptions::Generation::kExperts;
  Propose(OptoPrimeMulti({}, options));
  EXPECT_EQ(calls_["trace.experts"], 1);
  EXPECT_THAT(texts_["trace.optoprime"][1], HasSubstr("You are a judge."));
}

TEST_F(VariantsTest, TheMajorityIsTakenAndAMergeIsOneMoreCall) {
  answer_ = [this](const std::string&, const std::string& text) {
    if (text.find("make one of the best parts") != std::string::npos) return Suggestion(77);
    return Suggestion(++suggested_ % 3 == 1 ? 987654321 : 5);
  };
  MultiOptions options;
  options.selection = MultiOptions::Selection::kMajority;
  EXPECT_EQ(ValueIn(Propose(OptoPrimeMulti({}, options))), 5);
  ForgetRecord();
  options.selection = MultiOptions::Selection::kMerge;
  EXPECT_EQ(ValueIn(Propose(OptoPrimeMulti({}, options))), 77);
  EXPECT_EQ(calls_["trace.optoprime"], 7);
}

TEST_F(VariantsTest, WhereAllSayTheSameNobodyIsAskedToChoose) {
  answer_ = [](const std::string&, const std::string&) { return Suggestion(5); };
  for (const auto selection : {MultiOptions::Selection::kBest, MultiOptions::Selection::kMerge}) {
    MultiOptions options;
    options.selection = selection;
    EXPECT_EQ(ValueIn(Propose(OptoPrimeMulti({}, options))), 5);
    ForgetRecord();
  }
  EXPECT_EQ(calls_["trace.optoprime"], 6);
  EXPECT_EQ(calls_["trace.select"], 0);
}

TEST_F(VariantsTest, GroupsAreOfTextsThatAreAlike) {
  EXPECT_EQ(Majority({"one"}), 0u);
  EXPECT_EQ(Majority({"a cat sat on a mat", "12345", "a cat sat on the mat", "zzzzzz"}), 0u);
  EXPECT_EQ(Majority({"x", "the very same text", "the very same text!"}), 1u);
  EXPECT_EQ(Majority({"x", "y"}), 0u);
}

TEST_F(VariantsTest, OneThatFailsLeavesTheOthers) {
  answer_ = [this](const std::string& prompt, const std::string&) {
    if (prompt == "trace.select") return DumpJson({{"reasoning", "r"}, {"best", 1}});
    return ++suggested_ <= 2 ? std::string("no JSON") : Suggestion(9);
  };
  EXPECT_EQ(ValueIn(Propose(OptoPrimeMulti({}, {.count = 3}))), 9);
}

TEST_F(VariantsTest, OproSeesWhatWasTriedAndNothingOfTheProgram) {
  problem_.feedback = "It was 8.";
  Remember(problem_, GraphProposal(), 5, state_);
  problem_.feedback = "It must be 100.";
  EXPECT_EQ(ValueIn(Propose(Opro({}))), 10);
  ASSERT_THAT(texts_["trace.opro"], SizeIs(1));
  const std::string& shown = texts_["trace.opro"][0];
  EXPECT_THAT(shown, HasSubstr("(int) x0=2"));
  EXPECT_THAT(shown, HasSubstr("Feedback: It was 8."));
  EXPECT_THAT(shown, HasSubstr("It must be 100."));
  EXPECT_THAT(shown, Not(HasSubstr("multiply")));
}

TEST_F(VariantsTest, OproEndsWhereNothingIsLeftToChange) {
  Json reply = {{"reasoning", "r"}, {"answer", "TERMINATE"}, {"suggestion", {{"x0", 9}}}};
  answer_ = [&](const std::string&, const std::string&) { return DumpJson(reply); };
  const GraphProposal proposal = Propose(Opro({}));
  EXPECT_TRUE(proposal.finished);
  EXPECT_THAT(proposal.changes, SizeIs(0));
  ForgetRecord();
  reply["answer"] = "";
  EXPECT_FALSE(Propose(Opro({})).finished);
  EXPECT_THAT(texts_["trace.opro"][0], HasSubstr("TERMINATE"));
}

TEST_F(VariantsTest, TextGradGoesBackThroughEveryInputThatLeadsToAVariable) {
  const GraphProposal proposal = Propose(TextGrad({}));
  // add's two inputs and multiply's first; its second leads to no variable.
  EXPECT_EQ(calls_["trace.textgrad_backward"], 3);
  EXPECT_EQ(calls_["trace.textgrad_update"], 1);
  EXPECT_EQ(ValueIn(proposal), 10);
  EXPECT_THAT(texts_["trace.textgrad_backward"][0], HasSubstr("It must be 100."));
  EXPECT_THAT(texts_["trace.textgrad_backward"][2], HasSubstr("it is too small"));
  EXPECT_THAT(texts_["trace.textgrad_update"][0], HasSubstr("it is too small\n\nit is too small"));
}

TEST_F(VariantsTest, TextGradTellsEachOutputWhatIsThoughtOfIt) {
  const NodeId other = graph_.AddOperation("neg", {{"x", x_}}, int64_t{-2});
  Propagation propagation(graph_);
  ASSERT_TRUE(propagation.Backward(out_, "It must be 100.").ok());
  ASSERT_TRUE(propagation.Backward(other, "It must be -7.").ok());
  problem_ = MakeProblem(graph_, propagation.Whole(), {});
  Propose(TextGrad({}));
  for (const std::string& text : texts_["trace.textgrad_backward"]) {
    const bool of_other = text.find("The operation: neg") != std::string::npos;
    EXPECT_EQ(text.find("It must be -7.") != std::string::npos, of_other) << text;
    if (of_other) {
      EXPECT_THAT(text, Not(HasSubstr("It must be 100.")));
    }
  }
}

TEST_F(VariantsTest, TextGradRefusesProgramsThatWouldTakeTooMuch) {
  NodeId last = x_;
  for (int64_t i = 0; i < 600; ++i) last = graph_.AddOperation("neg", {{"x", last}}, i);
  Propagation propagation(graph_);
  ASSERT_TRUE(propagation.Backward(last, "f").ok());
  problem_ = MakeProblem(graph_, propagation.Whole(), {});
  const TextGrad optimizer({});
  const auto proposal = Live<GraphProposal>([&](Scope& root) -> Async<GraphProposal> {
    co_return co_await optimizer.Propose(root, "step", problem_, state_);
  });
  EXPECT_TRUE(HasReason(proposal.status(), Reason::kLimitReached)) << proposal.status();
  EXPECT_EQ(model_.calls, 0);
}

}  // namespace
}  // namespace troupe
