#include "agents/trace/propagate.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <set>

#include "tools/base/error.h"

namespace troupe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// y = (x + b) - c
struct Sums {
  Graph graph;
  NodeId x = graph.AddParameter("x", int64_t{1});
  NodeId b = graph.AddValue("b", int64_t{2});
  NodeId c = graph.AddValue("c", int64_t{3});
  NodeId sum = graph.AddOperation("add", {{"x", x}, {"y", b}}, int64_t{3});
  NodeId y = graph.AddOperation("subtract", {{"x", sum}, {"y", c}}, int64_t{0});
};

TEST(PropagateTest, AParameterReceivesItsPathsTheirOtherInputsAndTheFeedback) {
  Sums sums;
  Propagation propagation(sums.graph);
  ASSERT_TRUE(propagation.Backward(sums.y, "too small").ok());
  const Subgraph received = propagation.SubgraphOf(sums.x);
  EXPECT_THAT(received.nodes, ElementsAre(sums.x, sums.b, sums.c, sums.sum, sums.y));
  EXPECT_THAT(received.feedback, ElementsAre(OutputFeedback{sums.y, "too small"}));
}

TEST(PropagateTest, WhatLedToOtherInputsIsLeftOut) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId a = graph.AddValue("a", int64_t{1});
  const NodeId far = graph.AddOperation("neg", {{"x", a}}, int64_t{-1});
  const NodeId y = graph.AddOperation("add", {{"x", x}, {"y", far}}, int64_t{0});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(y, "f").ok());
  EXPECT_THAT(propagation.SubgraphOf(x).nodes, ElementsAre(x, far, y));
}

TEST(PropagateTest, NothingIsThereTwiceInADiamond) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId left = graph.AddOperation("neg", {{"x", x}}, int64_t{-1});
  const NodeId right = graph.AddOperation("abs", {{"x", x}}, int64_t{1});
  const NodeId y = graph.AddOperation("add", {{"x", left}, {"y", right}}, int64_t{0});
  const NodeId z = graph.AddOperation("add", {{"x", y}, {"y", y}}, int64_t{0});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(z, "f").ok());
  EXPECT_THAT(propagation.SubgraphOf(x).nodes, ElementsAre(x, left, right, y, z));
}

TEST(PropagateTest, AParameterThatDidNotLeadToTheOutputReceivesNothing) {
  Sums sums;
  const NodeId idle = sums.graph.AddParameter("idle", int64_t{1});
  Propagation propagation(sums.graph);
  ASSERT_TRUE(propagation.Backward(sums.y, "f").ok());
  EXPECT_TRUE(propagation.SubgraphOf(idle).empty());
  EXPECT_THAT(propagation.SubgraphOf(idle).feedback, IsEmpty());
  EXPECT_EQ(propagation.Whole().nodes, propagation.SubgraphOf(sums.x).nodes);
}

TEST(PropagateTest, ASecondTimeOverANodeIsAnErrorUnlessRetained) {
  Sums sums;
  Propagation propagation(sums.graph);
  ASSERT_TRUE(propagation.Backward(sums.y, "once").ok());
  const absl::Status again = propagation.Backward(sums.y, "twice");
  EXPECT_TRUE(HasReason(again, Reason::kInvalidField));
  EXPECT_THAT(std::string(MessageOf(again)), HasSubstr("retain"));
  // Also over a part of it, and it changed nothing.
  const NodeId other = sums.graph.AddOperation("neg", {{"x", sums.sum}}, int64_t{-3});
  EXPECT_FALSE(propagation.Backward(other, "part").ok());
  EXPECT_THAT(propagation.Whole().feedback, ElementsAre(OutputFeedback{sums.y, "once"}));

  Propagation retained(sums.graph);
  ASSERT_TRUE(retained.Backward(sums.y, "once", /*retain=*/true).ok());
  ASSERT_TRUE(retained.Backward(other, "twice", /*retain=*/true).ok());
  EXPECT_THAT(retained.Whole().feedback,
              ElementsAre(OutputFeedback{sums.y, "once"}, OutputFeedback{other, "twice"}));
}

TEST(PropagateTest, SeveralOutputsAddUpAndEqualPairsAreOne) {
  Sums sums;
  const NodeId other = sums.graph.AddOperation("neg", {{"x", sums.x}}, int64_t{-1});
  Propagation propagation(sums.graph);
  ASSERT_TRUE(propagation.Backward(other, "f", /*retain=*/true).ok());
  ASSERT_TRUE(propagation.Backward(other, "f", /*retain=*/true).ok());
  EXPECT_THAT(propagation.SubgraphOf(sums.x).nodes, ElementsAre(sums.x, other));
  ASSERT_TRUE(propagation.Backward(sums.y, "g").ok());
  EXPECT_THAT(propagation.SubgraphOf(sums.x).nodes,
              ElementsAre(sums.x, sums.b, sums.c, sums.sum, other, sums.y));
  EXPECT_THAT(propagation.SubgraphOf(sums.x).feedback,
              ElementsAre(OutputFeedback{other, "f"}, OutputFeedback{sums.y, "g"}));
  propagation.ZeroFeedback();
  EXPECT_TRUE(propagation.Whole().empty());
}

TEST(PropagateTest, FeedbackOnAParameterItselfReachesIt) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(x, "f").ok());
  ASSERT_TRUE(propagation.Backward(x, "g").ok());  // a root is gone through as often as one likes
  EXPECT_THAT(propagation.SubgraphOf(x).nodes, ElementsAre(x));
  EXPECT_EQ(propagation.SubgraphOf(x).feedback.size(), 2u);
}

TEST(PropagateTest, HiddenParametersReceiveWhatTheirUserDoes) {
  Graph graph;
  const NodeId hidden = graph.AddParameter("hidden", int64_t{1});
  const NodeId a = graph.AddValue("a", int64_t{1});
  const NodeId y =
      graph.AddOperation("bundle", {{"a", a}}, int64_t{2}, {.hidden_dependencies = {hidden}});
  const NodeId z = graph.AddOperation("neg", {{"x", y}}, int64_t{-2});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(z, "f").ok());
  EXPECT_THAT(propagation.SubgraphOf(hidden).nodes, ElementsAre(a, y, z));
}

TEST(PropagateTest, AnExceptionIsItsOwnFeedback) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{0});
  const NodeId failed =
      graph.AddException("divide", {{"y", x}}, {.type = "ZeroDivisionError", .message = "by zero"});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(failed, "").ok());
  EXPECT_THAT(propagation.SubgraphOf(x).feedback,
              ElementsAre(OutputFeedback{failed, "(ZeroDivisionError) by zero"}));
}

TEST(PropagateTest, NodesThatAreNotThereAreRefused) {
  Sums sums;
  Propagation propagation(sums.graph);
  EXPECT_FALSE(propagation.Backward(-1, "f").ok());
  EXPECT_FALSE(propagation.Backward(sums.graph.size(), "f").ok());
}

// The algorithm as it is published: a heap by level, each node given the union of what its children
// have. What each root received.
std::map<NodeId, std::set<NodeId>> AsPublished(const Graph& graph, NodeId output) {
  std::map<NodeId, std::set<NodeId>> received;
  received[output] = {output};
  std::priority_queue<std::pair<int, NodeId>> heap;
  std::set<NodeId> queued;
  const auto push = [&](NodeId id) {
    if (!graph.node(id).root() && queued.insert(id).second) heap.push({graph.node(id).level, id});
  };
  push(output);
  while (!heap.empty()) {
    const NodeId id = heap.top().second;
    heap.pop();
    std::set<NodeId> sum = received[id];
    for (const GraphInput& input : graph.inputs(id)) sum.insert(input.node);
    for (const NodeId used : graph.hidden_dependencies(id)) {
      received[used].insert(sum.begin(), sum.end());
    }
    for (const GraphInput& input : graph.inputs(id)) {
      received[input.node].insert(sum.begin(), sum.end());
      push(input.node);
    }
  }
  return received;
}

TEST(PropagateTest, AgreesWithTheAlgorithmAsItIsPublished) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    Graph graph;
    const int size = 3 + static_cast<int>(random() % 40);
    const auto some = [&] {
      return static_cast<NodeId>(random() % static_cast<uint32_t>(graph.size()));
    };
    graph.AddParameter("p", int64_t{0});
    while (graph.size() < size) {
      const uint32_t dice = random() % 8;
      if (dice == 0) {
        graph.AddParameter("p", int64_t{0});
      } else if (dice == 1) {
        graph.AddValue("v", int64_t{0});
      } else if (dice == 2) {
        const NodeId hidden = graph.parameters()[random() % graph.parameters().size()];
        const NodeId input = some();
        if (input == hidden) continue;
        graph.AddOperation("h", {{"a", input}}, int64_t{0}, {.hidden_dependencies = {hidden}});
      } else {
        graph.AddOperation("o", {{"a", some()}, {"b", some()}}, int64_t{0});
      }
    }
    const NodeId output = graph.size() - 1;
    const auto expected = AsPublished(graph, output);
    Propagation propagation(graph);
    ASSERT_TRUE(propagation.Backward(output, "f").ok());
    std::set<NodeId> all;
    for (const NodeId parameter : graph.parameters()) {
      const Subgraph subgraph = propagation.SubgraphOf(parameter);
      const std::set<NodeId> nodes(subgraph.nodes.begin(), subgraph.nodes.end());
      const auto found = expected.find(parameter);
      EXPECT_EQ(nodes, found == expected.end() ? std::set<NodeId>() : found->second)
          << "trial " << trial << ", " << graph.node(parameter).name;
      EXPECT_EQ(nodes.size(), subgraph.nodes.size());
      all.insert(nodes.begin(), nodes.end());
    }
    const Subgraph whole = propagation.Whole();
    EXPECT_EQ(std::set<NodeId>(whole.nodes.begin(), whole.nodes.end()), all);
  }
}

}  // namespace
}  // namespace troupe
