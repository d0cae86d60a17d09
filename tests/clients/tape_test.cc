// The tape of C++ programs: what it records, and what the server makes of it.
#include "clients/cpp/trace/tape.h"

#include <gmock/gmock.h>

#include <map>

#include "agents/trace/graph_message.h"
#include "agents/trace/problem.h"
#include "agents/trace/propagate.h"
#include "clients/cpp/trace/bundle.h"
#include "clients/cpp/trace/graph_writer.h"
#include "clients/cpp/trace/operators.h"
#include "troupe/v1/graph.pb.h"

namespace troupe::trace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

double Scale(double x, double z) { return x * z; }

struct Recorded {
  v1::Graph graph;
  google::protobuf::RepeatedPtrField<v1::GraphFeedback> feedback;
};

Recorded Written(const Tape& tape) {
  Recorded recorded;
  const absl::Status written = GraphWriter(tape).Write(recorded.graph, recorded.feedback);
  EXPECT_TRUE(written.ok()) << written;
  return recorded;
}

// What an optimizer is shown of the tape, as JSON.
Json Shown(const Tape& tape) {
  const Recorded recorded = Written(tape);
  const auto graph = GraphFromMessage(recorded.graph, "graph");
  if (!graph.ok()) return std::string(graph.status().message());
  Propagation propagation(*graph);
  for (const v1::GraphFeedback& each : recorded.feedback) {
    EXPECT_TRUE(propagation.Backward(each.output(), each.feedback(), /*retain=*/true).ok());
  }
  return ProblemJson(MakeProblem(*graph, propagation.Whole(), {}));
}

TEST(TapeTest, TheExampleOfThePaper) {
  Tape tape;
  auto x = tape.parameter("x", -1, "below 10");
  auto b = tape.node("b", 1);
  auto y = (x + b) - tape.node("c", 2);
  EXPECT_EQ(y.value(), -2);
  tape.backward(y, "should be larger");
  const Json shown = Shown(tape);
  EXPECT_EQ(shown["code"], Json({"add0 = add(x=x0, y=b0)", "subtract0 = subtract(x=add0, y=c0)"}));
  EXPECT_EQ(shown["variables"].dump(),
            R"({"x0":{"constraint":"below 10","type":"int","value":"-1"}})");
  EXPECT_EQ(shown["inputs"].size(), 2);
  EXPECT_EQ(shown["others"].dump(), R"({"add0":{"type":"int","value":"0"}})");
  EXPECT_EQ(shown["outputs"].dump(), R"({"subtract0":{"type":"int","value":"-2"}})");
  EXPECT_EQ(shown["feedback"], "should be larger");
}

TEST(TapeTest, OperatorsComputeWhatTheyDoOfValues) {
  Tape tape;
  auto i = tape.node("i", 7);
  auto d = tape.node("d", 0.5);
  auto t = tape.node("t", "ab");
  EXPECT_EQ((i + 1).value(), 8);
  EXPECT_EQ((1 - i).value(), -6);
  EXPECT_EQ((i * d).value(), 3.5);
  EXPECT_EQ((i / 2).value(), 3);
  EXPECT_EQ((i % 4).value(), 3);
  EXPECT_EQ((-d).value(), -0.5);
  EXPECT_EQ((t + "c").value(), "abc");
  EXPECT_EQ(("c" + t).value(), "cab");
  EXPECT_TRUE((i > d).value());
  EXPECT_TRUE((t <= "b").value());
  EXPECT_FALSE(eq(i, 8).value());
  EXPECT_TRUE(i == 7);
  static_assert(std::is_same_v<decltype((i + d).value()), double>);
  static_assert(std::is_same_v<decltype(i + 1), Node<int64_t>>);
}

TEST(TapeTest, FunctionsTakeValuesAndNodes) {
  Tape tape;
  auto x = tape.parameter("x", 2.0);
  auto scale = bundle("scale", "The product of x and z.", {"x", "z"}, Scale);
  auto words =
      bundle("words", "The words of a text, counted.", {"text"}, [](const std::string& text) {
        return std::map<std::string, int>{{text, 1}};
      });
  auto total = bundle("total", "How many there are.", {"counts"},
                      [](const std::map<std::string, int>& counts) { return counts.size(); });
  EXPECT_EQ(scale(x, 3).value(), 6.0);
  EXPECT_EQ(words(tape.node("t", "a b")).value(), (std::map<std::string, int>{{"a b", 1}}));
  auto y = total(words(tape.node("t", "a"))) + scale(x, 1.5);
  tape.backward(y, "f");
  const Json shown = Shown(tape);
  EXPECT_EQ(shown["code"], Json({"scale0 = scale(x=x0, z=z0)", "add0 = add(x=total0, y=scale0)"}));
  EXPECT_EQ(shown["documentation"],
            Json({"[scale] The product of x and z.", "[add] The sum of x and y."}));
}

TEST(TapeTest, WhatFailsIsTheOutput) {
  Tape tape;
  auto x = tape.parameter("x", 4);
  auto y = (1 / (x - 4)) + 1;
  EXPECT_TRUE(y.failed());
  EXPECT_EQ(y.error(), "(ZeroDivisionError) division by zero");
  EXPECT_THROW(y.value(), ExecutionError);
  tape.backward(y);
  EXPECT_EQ(Shown(tape)["feedback"], "(ZeroDivisionError) division by zero");
  EXPECT_EQ(Shown(tape)["outputs"].begin().key(), "exception_divide0");

  auto at = bundle("at", "An item.", {"i"},
                   [](int i) { return std::vector<int>{1}.at(static_cast<size_t>(i)); });
  EXPECT_THAT(at(x).error(), HasSubstr("std::out_of_range"));
  auto parse = bundle("parse", "A number.", {"i"}, [](int) -> absl::StatusOr<double> {
    return absl::InvalidArgumentError("no number");
  });
  EXPECT_EQ(parse(x).error(), "(INVALID_ARGUMENT) no number");
  EXPECT_TRUE((tape.node("most", INT64_MAX) + 1).failed());
  EXPECT_TRUE(tape.status().ok());
}

TEST(TapeTest, WhatIsNoTextIsSentAsFarAsItCanBe) {
  Tape tape;
  auto x = tape.parameter("x", "\xff ok");
  auto f = bundle("f", "Fails.", {"x"}, [](const std::string&) -> int {
    throw std::runtime_error(std::string(100'000, '\xe4'));
  });
  tape.backward(f(x), "\xff");
  const Recorded recorded = Written(tape);
  EXPECT_EQ(recorded.graph.nodes(0).value().text(), "\xef\xbf\xbd ok");
  EXPECT_LE(recorded.graph.nodes(1).exception().message().size(), 64 << 10);
  v1::Graph back;
  EXPECT_TRUE(back.ParseFromString(recorded.graph.SerializeAsString()));
  EXPECT_TRUE(GraphFromMessage(back, "graph").ok());
}

TEST(TapeTest, FeedbackGoesThroughAnOperationOnce) {
  Tape tape;
  auto x = tape.parameter("x", 1);
  auto middle = x + 1;
  auto first = middle * 2;
  auto second = middle * 3;
  tape.backward(first, "a", /*retain_graph=*/true);
  tape.backward(first, "b");
  EXPECT_TRUE(tape.status().ok());
  tape.backward(second, "c");
  EXPECT_THAT(std::string(tape.status().message()), HasSubstr("operation add"));
  EXPECT_EQ(Written(tape).feedback.size(), 2);
  tape.clear();
  EXPECT_TRUE(tape.status().ok());
  tape.backward(second, "d");
  EXPECT_THAT(std::string(tape.status().message()), HasSubstr("clear()"));
}

TEST(TapeTest, ANodeOfAnotherTapeIsRefused) {
  Tape one, other;
  auto y = one.node("a", 1) + other.node("b", 2);
  EXPECT_THAT(std::string(one.status().message()), HasSubstr("another tape"));
  EXPECT_FALSE(y.failed());
}

TEST(TapeTest, ParametersReadInsideGetFeedbackToo) {
  Tape tape;
  auto x = tape.parameter("x", 1);
  auto hidden = tape.parameter("hidden", 2);
  auto f = bundle("f", "x and more.", {"x"}, [&](int given) { return given + hidden.value(); });
  auto y = f(x);
  EXPECT_EQ(y.value(), 3);
  tape.backward(y, "f");
  EXPECT_THAT(Written(tape).graph.nodes(2).hidden_dependencies(), ElementsAre(1));
  EXPECT_EQ(Shown(tape)["variables"].size(), 2);
}

TEST(TapeTest, WhatDoesNotLeadToFeedbackIsNotSent) {
  Tape tape;
  auto x = tape.parameter("x", 1);
  for (int i = 0; i < 100; ++i) x + i;
  auto y = x + 1;
  auto again = tape.parameter("x", 5);
  tape.backward(y, "f");
  const Recorded recorded = Written(tape);
  EXPECT_EQ(recorded.graph.nodes_size(), 4);
  EXPECT_EQ(recorded.graph.nodes(1).name(), "x:1");
  EXPECT_EQ(recorded.feedback[0].output(), 3);
  EXPECT_EQ(again.value(), 5);
}

TEST(TapeTest, ATapeIsBounded) {
  Tape tape;
  auto x = tape.parameter("x", 0);
  auto y = x + 0;
  for (int i = 0; i < 60'000; ++i) y = y + x;
  EXPECT_TRUE(absl::IsResourceExhausted(tape.status())) << tape.status();
  EXPECT_LE(tape.size(), 50'000);
}

// How long that takes is measured by scripts/bench --pieces.
TEST(TapeTest, TenThousandNodesAreRecordedAndPropagated) {
  Tape tape;
  auto x = tape.parameter("x", 1.0);
  auto y = x + 0.0;
  while (tape.size() < 9'997) y = y * 0.5 + x;
  tape.backward(y, "should be 3");
  const Recorded recorded = Written(tape);
  const auto graph = GraphFromMessage(recorded.graph, "graph");
  ASSERT_TRUE(graph.ok()) << graph.status();
  Propagation propagation(*graph);
  ASSERT_TRUE(propagation.Backward(recorded.feedback[0].output(), "should be 3").ok());
  EXPECT_EQ(propagation.Whole().nodes.size(), tape.size());
}

}  // namespace
}  // namespace troupe::trace
