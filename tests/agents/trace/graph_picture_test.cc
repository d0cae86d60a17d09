// Pictures of graphs: how they are laid out, what is drawn of a large one, what untrusted values
// become.
#include "agents/trace/graph_picture.h"

#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>

#include <chrono>
#include <cmath>

#include "agents/report/layered_layout.h"

namespace troupe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Sizes = std::vector<std::pair<double, double>>;
using Edges = std::vector<std::pair<size_t, size_t>>;

TEST(LayeredLayoutTest, EdgesGoFromLeftToRightAndBoxesDoNotOverlap) {
  // Two chains that cross if they are taken as they come, an edge past a column, a lone box.
  const Sizes sizes(7, {100, 40});
  const Edges edges = {{0, 3}, {1, 2}, {2, 4}, {3, 5}, {0, 4}, {1, 5}};
  const LayeredLayout layout = LayOutInLayers(sizes, edges);
  ASSERT_EQ(layout.corners.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    const SvgPoint& one = layout.corners[i];
    EXPECT_GE(one.y, -1e-9);
    EXPECT_LE(one.y + 40, layout.height + 1e-9);
    EXPECT_LE(one.x + 100, layout.width + 1e-9);
    for (size_t j = 0; j < i; ++j) {
      const SvgPoint& other = layout.corners[j];
      const bool apart = std::abs(one.x - other.x) >= 100 || std::abs(one.y - other.y) >= 40;
      EXPECT_TRUE(apart) << i << " and " << j;
    }
  }
  for (size_t i = 0; i < edges.size(); ++i) {
    const auto& route = layout.routes[i];
    EXPECT_EQ(route.front().x, layout.corners[edges[i].first].x + 100);
    EXPECT_EQ(route.back().x, layout.corners[edges[i].second].x);
    for (size_t p = 1; p < route.size(); ++p) EXPECT_GE(route[p].x, route[p - 1].x);
  }
}

TEST(LayeredLayoutTest, CrossingsThatNeedNotBeAreNot) {
  // 0..4 lead to 9..5.
  Edges edges;
  for (size_t i = 0; i < 5; ++i) edges.emplace_back(i, 9 - i);
  const LayeredLayout layout = LayOutInLayers(Sizes(10, {10, 10}), edges);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(layout.corners[i].y, layout.corners[9 - i].y, 1e-6);
  }
}

TEST(LayeredLayoutTest, WhatNothingLeadsToStandsBesideItsFirstUse) {
  const LayeredLayout layout = LayOutInLayers(Sizes(5, {10, 10}), {{0, 1}, {1, 2}, {2, 4}, {3, 4}});
  EXPECT_EQ(layout.corners[3].x, layout.corners[2].x);
  EXPECT_TRUE(LayOutInLayers({}, {}).corners.empty());
}

// y = x * k + x with a parameter, and feedback on y.
struct SmallProgram {
  Graph graph;
  NodeId out = kNoNode;
  explicit SmallProgram(GraphValue value) {
    const NodeId x = graph.AddParameter("x", std::move(value), {.constraint = "below \"9\""});
    const NodeId k = graph.AddValue("k", int64_t{3});
    const NodeId product = graph.AddOperation("multiply", {{"x", x}, {"y", k}}, int64_t{6});
    out = graph.AddOperation("add", {{"x", product}, {"y", x}}, int64_t{8}, {.name = "y"});
  }
  Problem Told(std::string feedback) const {
    Propagation propagation(graph);
    EXPECT_TRUE(propagation.Backward(out, std::move(feedback)).ok());
    return MakeProblem(graph, propagation.Whole(), {});
  }
};

// What is written in the picture, in order, as it reads.
std::vector<std::string> TextsOf(const std::string& svg) {
  std::vector<std::string> texts;
  for (size_t at = 0; (at = svg.find("<text ", at)) != std::string::npos;) {
    const size_t begin = svg.find('>', at) + 1;
    at = svg.find('<', begin);
    EXPECT_EQ(svg.substr(at, 7), "</text>");
    texts.push_back(
        absl::StrReplaceAll(svg.substr(begin, at - begin),
                            {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}}));
  }
  return texts;
}

TEST(GraphPictureTest, HasParametersValuesFeedbackAndTheWayBack) {
  const SmallProgram program(int64_t{2});
  const std::string svg = GraphPictureSvg(program.Told("It must be 100."), "One step");
  const auto texts = TextsOf(svg);
  for (const char* const text :
       {"One step", "x0", "(int) 2", "multiply0", "y0 = add", "(int) 8", "feedback",
        "It must be 100.", "4 values and 2 operations, from left to right"}) {
    EXPECT_THAT(texts, testing::Contains(text)) << svg;
  }
  // Of the five lines that of k is none of feedback's.
  size_t blue = 0;
  size_t plain = 0;
  for (size_t at = 0; (at = svg.find("<path", at)) != std::string::npos; ++at) {
    const std::string line = svg.substr(at, svg.find('>', at) - at);
    ++(line.find("s-accent") != std::string::npos ? blue : plain);
  }
  EXPECT_EQ(blue, 4u);
  EXPECT_EQ(plain, 1u);
  EXPECT_EQ(svg, GraphPictureSvg(program.Told("It must be 100."), "One step"));
}

TEST(GraphPictureTest, NothingOfAValueBecomesMarkup) {
  const std::string evil = "</text><script>alert('1')</script>\"&<![CDATA[\x01\n]]>";
  const SmallProgram program{GraphValue(evil)};
  const std::string svg = GraphPictureSvg(program.Told(evil), evil);
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("CDATA[\x01"))));
  EXPECT_THAT(TextsOf(svg), testing::Contains(HasSubstr("</text><script>alert")));
}

TEST(GraphPictureTest, AFailureIsRed) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{0});
  const NodeId out = graph.AddException("divide", {{"x", x}}, {"ZeroDivisionError", "by zero"});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(out, "").ok());
  const std::string svg = GraphPictureSvg(MakeProblem(graph, propagation.Whole(), {}), "t");
  EXPECT_THAT(svg, HasSubstr("class=\"bad s-bad\""));
}

TEST(GraphPictureTest, OfTenThousandNodesThoseNearTheOutputAreDrawn) {
  Graph graph;
  std::vector<NodeId> parameters;
  for (int64_t i = 0; i < 100; ++i) parameters.push_back(graph.AddParameter("x", i));
  NodeId last = graph.AddValue("start", int64_t{0});
  for (size_t i = 0; i < 9'899; ++i) {
    last = graph.AddOperation("add", {{"x", last}, {"y", parameters[i % 100]}}, int64_t{1});
  }
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(last, "too long").ok());
  const Problem problem = MakeProblem(graph, propagation.Whole(), {});
  const auto begin = std::chrono::steady_clock::now();
  const std::string svg = GraphPictureSvg(problem, "long");
  const auto took = std::chrono::steady_clock::now() - begin;
  std::cout << "drawn in " << std::chrono::duration<double, std::milli>(took).count() << " ms\n";
  EXPECT_LT(svg.size(), 400u << 10);
  const auto texts = TextsOf(svg);
  EXPECT_THAT(texts, testing::Contains(HasSubstr("120 of 10000 values: what is nearest")));
  EXPECT_THAT(texts, testing::Contains("add9898"));
  EXPECT_THAT(texts, Not(testing::Contains("add1")));
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray"));
}

}  // namespace
}  // namespace troupe
