// The parts of trainers: distances, the Pareto front, merges, tapes as graphs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>

#include "agents/trace/problem.h"
#include "agents/trace/propagate.h"
#include "agents/trace/trainers/novelty.h"
#include "agents/trace/trainers/optimize_workflow_report.h"
#include "agents/trace/trainers/pareto.h"
#include "agents/trace/trainers/tape_graph.h"

namespace troupe {
namespace {

TEST(NoveltyTest, NearTextsAreNear) {
  const Json first = {{"p", "Think step by step, then write the number."}};
  const Json near = {{"p", "Think step by step, then write the number!"}};
  const Json far = {{"p", "Reply with JSON."}};
  EXPECT_EQ(ValuesDistance(first, first), 0);
  EXPECT_LT(ValuesDistance(first, near), 0.35);
  EXPECT_GT(ValuesDistance(first, far), 1);
  EXPECT_LE(ValuesDistance(first, far), std::sqrt(2) + 1e-6);
  EXPECT_NEAR(ValuesDistance({{"x", 10}}, {{"x", 9}}), 0.1, 1e-9);
  EXPECT_NEAR(ValuesDistance({{"x", 0}, {"y", 4}}, {{"x", 1}, {"y", 4}}), 1, 1e-9);
}

TrainingCandidatePtr Scored(int number, int parent, Json values, std::vector<double> scores) {
  auto candidate = std::make_shared<TrainingCandidate>();
  candidate->number = number;
  candidate->parent = parent;
  candidate->values = std::move(values);
  for (size_t i = 0; i < scores.size(); ++i) candidate->validation[i] = {scores[i], 1};
  return candidate;
}

TEST(ParetoTest, OnlyThoseThatAreBestOnSomethingAreOnTheFront) {
  const std::vector<TrainingCandidatePtr> pool = {
      Scored(1, 0, {{"a", 0}, {"b", 0}}, {0, 0, 1, 0}),  // its one best item others have too
      Scored(2, 1, {{"a", 1}, {"b", 0}}, {1, 1, 1, 0}),
      Scored(3, 1, {{"a", 0}, {"b", 1}}, {0, 0, 1, 1}),
      Scored(4, 1, {{"a", 2}, {"b", 0}}, {0.5, 0.5, 0.5, 0.5})};
  EXPECT_THAT(FrontCounts(pool), testing::ElementsAre(0, 3, 2, 0));
  std::mt19937_64 random(7);
  std::vector<int> drawn(4);
  for (int i = 0; i < 1000; ++i) ++drawn[DrawFromFront(pool, random)];
  EXPECT_EQ(drawn[0] + drawn[3], 0);
  EXPECT_NEAR(drawn[1], 600, 60);
}

TEST(ParetoTest, MergesTakeFromEachWhatItChanged) {
  std::vector<TrainingCandidatePtr> pool = {Scored(1, 0, {{"a", 0}, {"b", 0}}, {0, 0}),
                                            Scored(2, 1, {{"a", 1}, {"b", 0}}, {1, 0}),
                                            Scored(3, 1, {{"a", 0}, {"b", 1}}, {0, 1})};
  const auto pair = MergeablePair(pool);
  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(*pair, (std::pair<size_t, size_t>{1, 2}));
  EXPECT_EQ(MergedValues(pool, *pair), (Json{{"a", 1}, {"b", 1}}));
  // One that comes from the other brings nothing to it.
  pool[2] = Scored(3, 2, {{"a", 1}, {"b", 1}}, {0, 1});
  EXPECT_FALSE(MergeablePair(pool).has_value());
}

// Else a model that is asked again from the same values proposes the same again.
TEST(CandidateTest, TheOptimizerIsToldWhatWasProposedBefore) {
  std::vector<TrainingCandidatePtr> pool = {Scored(1, 0, {{"a", "x"}, {"b", 0}}, {0.5, 0.5}),
                                            Scored(2, 1, {{"a", "y"}, {"b", 0}}, {0, 0.5}),
                                            Scored(3, 2, {{"a", "z"}, {"b", 0}}, {0, 0}),
                                            Scored(4, 1, {{"a", "x"}, {"b", 7}}, {})};
  EXPECT_EQ(ProposedBefore(*pool[3], pool), "");
  for (const TrainingCandidatePtr& each : pool) each->origin = TrainingCandidate::Origin::kProposed;
  pool[3]->note = "0.250 on its minibatch, where candidate 1 had 0.500";
  pool[0]->proposals.push_back({{"a", "x"}, {"b", 8}});
  EXPECT_EQ(ProposedBefore(*pool[0], pool),
            "What was proposed before in the place of the values now, and what it came to. Propose "
            "something else.\n"
            "<proposal>\na: y\ncame to: 0.250 on validation, where the values now have 0.500\n"
            "</proposal>\n"
            "<proposal>\nb: 7\ncame to: 0.250 on its minibatch, where candidate 1 had 0.500\n"
            "</proposal>\n"
            "<proposal>\nb: 8\ncame to: it is tried next\n</proposal>");
  for (int i = 0; i < 10; ++i) pool.push_back(Scored(5 + i, 1, {{"a", i}, {"b", 0}}, {1, 1}));
  for (const TrainingCandidatePtr& each : pool) each->origin = TrainingCandidate::Origin::kProposed;
  const std::string last = ProposedBefore(*pool[0], pool);
  EXPECT_THAT(last, testing::Not(testing::HasSubstr("a: 5\n")));
  EXPECT_THAT(last, testing::HasSubstr("a: 6\n"));
}

TEST(OptimizeReportTest, TheDocumentIsTheSameInEveryProcess) {
  v1::OptimizeWorkflowResult result;
  result.add_candidates()->set_number(1);
  result.set_best(1);
  for (const char* const name : {"z", "a", "m", "b", "y"}) {
    (*result.mutable_workflow()->mutable_parameters())[name].set_prompt(name);
  }
  const auto files = MakeOptimizeReport(result, "");
  ASSERT_EQ(files.size(), 3u);
  const std::string& document = files[2].text;
  size_t last = 0;
  for (const char* const name : {"\"a\": {", "\"b\": {", "\"m\": {", "\"y\": {", "\"z\": {"}) {
    EXPECT_GT(document.find(name), last) << document;
    last = document.find(name);
  }
}

TEST(OptimizeReportTest, TheHistoryHasEveryCandidateAndThePictureItsFile) {
  v1::OptimizeWorkflowResult result;
  const auto value = [](std::string_view text) {
    google::protobuf::Value made;
    made.set_string_value(std::string(text));
    return made;
  };
  for (int number = 1; number <= 3; ++number) {
    v1::WorkflowCandidate& candidate = *result.add_candidates();
    candidate.set_number(number);
    candidate.set_parent(number - 1);
    candidate.set_accepted(number != 2);
    (*candidate.mutable_changes())["p"] = value(fmt::format("text {}\n", number));
  }
  result.set_best(3);
  std::map<std::string, std::string> files;
  for (ReportFile& file : MakeOptimizeReport(result, "<svg/>")) files[file.name] = file.text;
  EXPECT_EQ(files["graph.svg"], "<svg/>");
  EXPECT_THAT(files["report.md"], testing::HasSubstr("](graph.svg)"));
  EXPECT_THAT(files["report.md"], testing::Not(testing::HasSubstr("+text 2")));
  EXPECT_THAT(files["history.md"], testing::HasSubstr("-text 1\n+text 2"));
  EXPECT_THAT(files["history.md"], testing::HasSubstr("-text 2\n+text 3"));
  EXPECT_THAT(files["history.md"], testing::HasSubstr("candidate 2 from 1, not kept"));
}

TEST(OptimizeReportTest, ManyLongCandidatesFitIntoAMessage) {
  v1::OptimizeWorkflowResult result;
  for (int number = 1; number <= 500; ++number) {
    v1::WorkflowCandidate& candidate = *result.add_candidates();
    candidate.set_number(number);
    candidate.set_reasoning(std::string(4000, 'r'));
    (*candidate.mutable_changes())["p"].set_string_value(std::string(8000, 'x'));
  }
  result.set_best(499);
  FitCandidates(result);
  EXPECT_LT(result.ByteSizeLong(), 2u << 20);
  EXPECT_TRUE(result.candidates(498).changes().contains("p"));
  EXPECT_TRUE(result.candidates(10).changes().contains("p"));
  EXPECT_TRUE(result.candidates(400).changes().empty());
}

TEST(TapeGraphTest, AWholeNumberMayHaveFractionsIfItsSchemaSaysSo) {
  v1::Workflow workflow;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  R"({"parameters": {
                        "rate": {"value": 1, "trainable": true,
                                 "constraint": {"schema": {"type": "number"}}},
                        "count": {"value": 1, "trainable": true}}})",
                  &workflow)
                  .ok());
  WorkflowTape tape;
  ValueId rate = 0, count = 0;
  using Kind = TapeEntry::Kind;
  const auto one = std::make_shared<const Json>(1);
  ASSERT_TRUE(tape.Add({Kind::kParameter, "rate", "", "", {}, one}, rate).ok());
  ASSERT_TRUE(tape.Add({Kind::kParameter, "count", "", "", {}, one}, count).ok());
  TapeGraph graph(&workflow);
  graph.Add(tape, rate);
  const auto value = [&](const char* name) {
    return graph.graph().node(graph.parameters().at(name)).value;
  };
  EXPECT_EQ(value("rate"), GraphValue(1.0));
  EXPECT_EQ(value("count"), GraphValue(int64_t{1}));
}

TEST(TapeGraphTest, RunsShareTheParametersAndFeedbackReachesThem) {
  v1::Workflow workflow;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  R"({"parameters": {
                        "f": {"code": {"source": "def f(x):\n  return x / 0"}, "trainable": true},
                        "fixed": {"value": 3}}})",
                  &workflow)
                  .ok());
  WorkflowTape tape;
  ValueId x = 0, f = 0, fixed = 0, y = 0, error = 0;
  const auto json = [](Json value) { return std::make_shared<const Json>(std::move(value)); };
  using Kind = TapeEntry::Kind;
  ASSERT_TRUE(tape.Add({Kind::kInput, "x", "", "", {}, json(1)}, x).ok());
  ASSERT_TRUE(
      tape.Add({Kind::kParameter, "f", "", "", {}, json("def f(x):\n  return x / 0")}, f).ok());
  ASSERT_TRUE(tape.Add({Kind::kParameter, "fixed", "", "", {}, json(3)}, fixed).ok());
  ASSERT_TRUE(
      tape.Add({Kind::kOperation, "y", "select", "[select] $x", {{"x", x}}, json(1)}, y).ok());
  const Json failure = {
      {"error",
       {{"type", "ZeroDivisionError"},
        {"message", "line 2 of f (return x / 0): ZeroDivisionError: division by zero"},
        {"line", 2}}}};
  ASSERT_TRUE(
      tape.Add({Kind::kError, "z", "code", "[code]", {{"f", f}, {"x", y}}, json(failure)}, error)
          .ok());
  TapeGraph graph(&workflow);
  const NodeId first = graph.Add(tape, error);
  const NodeId second = graph.Add(tape, error);
  EXPECT_NE(first, second);
  ASSERT_EQ(graph.graph().parameters().size(), 1u);
  // Type, line and message are told once each.
  EXPECT_EQ(ErrorFeedback(graph.graph().node(first)),
            "def f(x):\n"
            "  return x / 0   <-- fails here: (ZeroDivisionError) division by zero\n"
            "(ZeroDivisionError) division by zero");
  Propagation propagation(graph.graph());
  ASSERT_TRUE(propagation.Backward(first, "one").ok());
  ASSERT_TRUE(propagation.Backward(second, "two").ok());
  const Subgraph subgraph = propagation.SubgraphOf(graph.parameters().at("f"));
  EXPECT_EQ(subgraph.feedback.size(), 2u);
  const Problem problem = MakeProblem(graph.graph(), subgraph, {});
  ASSERT_EQ(problem.variables.size(), 1u);
  EXPECT_TRUE(problem.variables[0].is_code());
  EXPECT_THAT(problem.variables[0].constraint, testing::HasSubstr("defines the function f"));
  EXPECT_THAT(problem.feedback, testing::HasSubstr("two"));
}

// An optimizer is shown an operator's documentation once: it tells of every step that uses it.
TEST(TapeGraphTest, EachStepSaysWhatItDoesWithAnOperator) {
  v1::Workflow workflow;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(
          R"({"parameters": {"f": {"code": {"source": "def f(x):\n  return x"}, "trainable": true}}})",
          &workflow)
          .ok());
  WorkflowTape tape;
  ValueId f = 0, y = 0, z = 0;
  const auto json = [](Json value) { return std::make_shared<const Json>(std::move(value)); };
  using Kind = TapeEntry::Kind;
  ASSERT_TRUE(tape.Add({Kind::kParameter, "f", "", "", {}, json("def f(x):\n  return x")}, f).ok());
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(
        tape.Add({Kind::kOperation, "text", "code", "[code] Reads", {{"f", f}}, json(1)}, y).ok());
  }
  ASSERT_TRUE(
      tape.Add({Kind::kOperation, "number", "code", "[code] Counts", {{"x", y}}, json(1)}, z).ok());
  TapeGraph graph(&workflow);
  const NodeId output = graph.Add(tape, z);
  graph.Add(tape, z);
  Propagation propagation(graph.graph());
  ASSERT_TRUE(propagation.Backward(output, "more").ok());
  const Problem problem =
      MakeProblem(graph.graph(), propagation.SubgraphOf(graph.parameters().at("f")), {});
  ASSERT_EQ(problem.documentation.size(), 1u);
  EXPECT_EQ(problem.documentation[0].text,
            "[code] What the function returns for the arguments; the first input is the function. "
            "text: Reads. number: Counts.");
}

}  // namespace
}  // namespace troupe
