#include "agents/trace/problem.h"

#include <gmock/gmock.h>

#include "agents/trace/problem_text.h"

namespace troupe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> NamesOf(const std::vector<ProblemValue>& values) {
  std::vector<std::string> names;
  for (const ProblemValue& each : values) names.push_back(each.name);
  return names;
}

Problem ProblemOf(const Graph& graph, NodeId output, std::string feedback,
                  const ProblemOptions& options = {}) {
  Propagation propagation(graph);
  EXPECT_TRUE(propagation.Backward(output, std::move(feedback)).ok());
  return MakeProblem(graph, propagation.Whole(), options);
}

// y = (x + b) - c
struct Anchor {
  Graph graph;
  NodeId x = graph.AddParameter("x", int64_t{1}, {.constraint = "x > 0"});
  NodeId b = graph.AddValue("b", int64_t{2});
  NodeId c = graph.AddValue("c", 3.0);
  NodeId sum = graph.AddOperation("add", {{"x", x}, {"y", b}}, int64_t{3});
  NodeId y = graph.AddOperation("subtract", {{"x", sum}, {"y", c}}, 0.0);
  Anchor() {
    graph.DescribeOperator("add", "The sum of x and y.");
    graph.DescribeOperator("subtract", "x less y.");
  }
};

TEST(ProblemTest, TheAnchorOfThePaper) {
  Anchor sums;
  const Problem problem = ProblemOf(sums.graph, sums.y, "too small");
  EXPECT_THAT(NamesOf(problem.variables), ElementsAre("x0"));
  EXPECT_THAT(NamesOf(problem.inputs), ElementsAre("b0", "c0"));
  EXPECT_THAT(NamesOf(problem.others), ElementsAre("add0"));
  EXPECT_THAT(NamesOf(problem.outputs), ElementsAre("subtract0"));
  EXPECT_EQ(problem.variables[0].distance, 2);
  EXPECT_EQ(problem.inputs[1].distance, 1);
  EXPECT_EQ(SectionText(SectionsOf(problem)),
            "#Instruction\n" + std::string(kDefaultObjective) +
                "\n\n"
                "#Code\nadd0 = add(x=x0, y=b0)\nsubtract0 = subtract(x=add0, y=c0)\n\n"
                "#Documentation\n[add] The sum of x and y.\n[subtract] x less y.\n\n"
                "#Variables\n(int) x0=1\n\n"
                "#Constraints\n(int) x0: x > 0\n\n"
                "#Inputs\n(int) b0=2\n(float) c0=3.0\n\n"
                "#Others\n(int) add0=3\n\n"
                "#Outputs\n(float) subtract0=0.0\n\n"
                "#Feedback\ntoo small\n");
}

TEST(ProblemTest, WhatLiesOutsideIsAnInputThoughItWasMade) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId a = graph.AddValue("a", int64_t{1});
  const NodeId far = graph.AddOperation("neg", {{"x", a}}, int64_t{-1});
  const NodeId y = graph.AddOperation("add", {{"x", x}, {"y", far}}, int64_t{0});
  const Problem problem = ProblemOf(graph, y, "f");
  EXPECT_THAT(NamesOf(problem.inputs), ElementsAre("neg0"));
  EXPECT_EQ(problem.code.size(), 1u);
}

TEST(ProblemTest, SectionsAreMasked) {
  Anchor sums;
  const Problem problem = ProblemOf(sums.graph, sums.y, "too small");
  const ProblemSections sections = SectionsOf(
      problem,
      {.masked = {Section::kCode, Section::kDocumentation, Section::kInputs, Section::kOthers}});
  EXPECT_EQ(sections.code + sections.documentation + sections.inputs + sections.others, "");
  EXPECT_EQ(sections.variables, "(int) x0=1");
}

TEST(ProblemTest, CodeIsShownAsCodeAndConstraintsOfItToo) {
  Graph graph;
  const NodeId code =
      graph.AddParameter("__code", GraphCode{"def f(x):\n  return x"}, {.constraint = "keep f(x)"});
  const NodeId x = graph.AddValue("x", "word");
  const NodeId y = graph.AddOperation("eval", {{"x", x}, {"__code", code}}, "word");
  const ProblemSections sections = SectionsOf(ProblemOf(graph, y, "f"));
  EXPECT_EQ(sections.variables, "(code) __code0:def f(x):\n  return x");
  EXPECT_EQ(sections.constraints, "(code) __code0: keep f(x)");
  EXPECT_EQ(sections.inputs, "(str) x0=word");
}

TEST(ProblemTest, OutputsWithDifferentFeedbackAreToldApart) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId low = graph.AddOperation("neg", {{"x", x}}, int64_t{-1});
  const NodeId mid = graph.AddOperation("abs", {{"x", low}}, int64_t{1});
  Propagation propagation(graph);
  ASSERT_TRUE(propagation.Backward(low, "first", true).ok());
  ASSERT_TRUE(propagation.Backward(mid, "second", true).ok());
  const Problem problem = MakeProblem(graph, propagation.Whole(), {});
  EXPECT_EQ(problem.feedback, "neg0: first\n\nabs0: second");
  EXPECT_THAT(NamesOf(problem.outputs), ElementsAre("neg0", "abs0"));
}

TEST(ProblemTest, HiddenParametersAreShownUnlessAsPublished) {
  Graph graph;
  const NodeId hidden = graph.AddParameter("hidden", int64_t{1});
  const NodeId a = graph.AddValue("a", int64_t{1});
  const NodeId y =
      graph.AddOperation("bundle", {{"a", a}}, int64_t{2}, {.hidden_dependencies = {hidden}});
  EXPECT_THAT(NamesOf(ProblemOf(graph, y, "f").variables), ElementsAre("hidden0"));
  EXPECT_THAT(NamesOf(ProblemOf(graph, y, "f", {.show_hidden = false}).variables), ElementsAre());
}

TEST(ProblemTest, WhatIsNearTheOutputIsKept) {
  Graph graph;
  NodeId last = graph.AddParameter("x", int64_t{0});
  for (int64_t i = 1; i <= 200; ++i) {
    const NodeId by = graph.AddValue("by", std::string(3000, 'v'));
    last = graph.AddOperation("step", {{"x", last}, {"by", by}}, i);
  }
  const Problem problem = ProblemOf(graph, last, "f");
  const ProblemLayout layout{.value_bytes = 100, .section_bytes = 1000};
  const ProblemSections sections = SectionsOf(problem, layout);
  EXPECT_LT(sections.code.size(), 1100u);
  EXPECT_THAT(sections.code, HasSubstr("step199 = step(x=step198, by=by199)"));
  EXPECT_THAT(sections.code, HasSubstr("farther from the outputs are left out)"));
  EXPECT_THAT(sections.code, Not(HasSubstr("step0 =")));
  EXPECT_LT(sections.inputs.size(), 1100u);
  EXPECT_THAT(sections.inputs, HasSubstr("by199="));
  EXPECT_EQ(sections.variables, "(int) x0=0");
  const std::string tagged = TaggedText(problem, layout);
  EXPECT_LT(tagged.size(), 5000u);
  EXPECT_THAT(tagged,
              HasSubstr("<variable name=\"x0\" type=\"int\">\n<value>\n0\n</value>\n</variable>"));
}

TEST(ProblemTest, TagsHoldConstraintsInsideVariablesAndValuesAsJson) {
  Graph graph;
  const NodeId flag = graph.AddParameter("flag", true, {.constraint = "false while testing"});
  const NodeId list = graph.AddValue("list", GraphJson{Json::array({1, "a"})});
  const NodeId y = graph.AddOperation("pick", {{"flag", flag}, {"list", list}}, "a");
  const std::string text = TaggedText(ProblemOf(graph, y, "f"));
  EXPECT_THAT(text, HasSubstr("<variable name=\"flag0\" type=\"bool\">\n<value>\ntrue\n</value>\n"
                              "<constraint>false while testing</constraint>\n</variable>"));
  EXPECT_THAT(text, HasSubstr("<node name=\"list0\" type=\"list\">[1,\"a\"]</node>"));
}

}  // namespace
}  // namespace troupe
