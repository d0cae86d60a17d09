#include "agents/trace/graph.h"

#include <gmock/gmock.h>

#include <limits>

namespace troupe {
namespace {

using ::testing::ElementsAre;

TEST(GraphTest, NamesAreUniqueAndSoAreIdentifiers) {
  Graph graph;
  const NodeId first = graph.AddValue("x", int64_t{1});
  const NodeId second = graph.AddValue("x", int64_t{2});
  EXPECT_EQ(graph.node(first).name, "x:0");
  EXPECT_EQ(graph.node(second).name, "x:1");
  EXPECT_EQ(graph.node(second).identifier, "x1");
  // A client that counts itself keeps its numbers, and none is given twice.
  const NodeId given = graph.AddParameter("x:2", int64_t{3});
  EXPECT_EQ(graph.node(given).name, "x:2");
  EXPECT_EQ(graph.node(graph.AddValue("x", int64_t{4})).name, "x:3");
  EXPECT_EQ(graph.Find("x:2"), given);
  EXPECT_EQ(graph.Find("x:9"), kNoNode);
  // "x1:0" is not to be called as "x:10" is.
  graph.AddValue("x1", int64_t{5});
  EXPECT_EQ(graph.node(graph.AddValue("x:10", int64_t{6})).identifier, "x_10");
}

TEST(GraphTest, NodesWithoutANameAreCalledByTypeOrOperator) {
  Graph graph;
  const NodeId list = graph.AddValue("", GraphJson{Json::array({1, 2})});
  const NodeId sum = graph.AddOperation("add", {{"x", list}, {"y", list}}, 3.5);
  const NodeId failed =
      graph.AddException("divide", {{"x", sum}}, {.type = "ZeroDivisionError", .message = "no"});
  EXPECT_EQ(graph.node(list).name, "list:0");
  EXPECT_EQ(graph.node(sum).name, "add:0");
  EXPECT_EQ(graph.node(failed).name, "exception_divide:0");
  EXPECT_EQ(std::get<std::string>(graph.node(failed).value), "(ZeroDivisionError) no");
}

TEST(GraphTest, ANodeLiesAboveAllThatLedToIt) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId y = graph.AddOperation("neg", {{"x", x}}, int64_t{-1});
  const NodeId z = graph.AddOperation("add", {{"x", x}, {"y", y}}, int64_t{0});
  const NodeId w = graph.AddOperation("get", {}, int64_t{1}, {.hidden_dependencies = {x}});
  EXPECT_EQ(graph.node(x).level, 0);
  EXPECT_EQ(graph.node(y).level, 1);
  EXPECT_EQ(graph.node(z).level, 2);
  EXPECT_EQ(graph.node(w).level, 1);
  EXPECT_FALSE(graph.node(w).root());
  EXPECT_TRUE(graph.node(graph.AddOperation("now", {}, int64_t{1})).root());
  ASSERT_EQ(graph.inputs(z).size(), 2);
  EXPECT_EQ(graph.inputs(z)[1].name, "y");
  EXPECT_EQ(graph.inputs(z)[1].node, y);
  EXPECT_THAT(graph.parameters(), ElementsAre(x));
}

TEST(GraphTest, ADescriptionOfANodeGoesBeforeThatOfItsOperator) {
  Graph graph;
  graph.DescribeOperator("add", "The sum of x and y.");
  graph.DescribeOperator("test", "[Custom] A test.");
  const NodeId x = graph.AddValue("x", int64_t{1});
  EXPECT_EQ(graph.Documentation(x), "");
  EXPECT_EQ(graph.Documentation(graph.AddOperation("add", {{"x", x}}, int64_t{1})),
            "[add] The sum of x and y.");
  EXPECT_EQ(graph.Documentation(graph.AddOperation("test", {{"x", x}}, int64_t{1})),
            "[Custom] A test.");
  EXPECT_EQ(graph.Documentation(
                graph.AddOperation("add", {{"x", x}}, int64_t{1}, {.description = "[sum] Here."})),
            "[sum] Here.");
  EXPECT_EQ(graph.Documentation(graph.AddOperation("other", {{"x", x}}, int64_t{1})), "");
}

TEST(GraphTest, StaysWholeWhenMoved) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId y = graph.AddOperation("f", {{"a", x}}, int64_t{1});
  const Graph moved = std::move(graph);
  EXPECT_EQ(moved.node(y).operation, "f");
  EXPECT_EQ(moved.inputs(y)[0].name, "a");
}

TEST(GraphTest, AnErrorPointsAtItsLine) {
  Graph graph;
  const NodeId x = graph.AddParameter("x", int64_t{1});
  const NodeId failed = graph.AddException("f", {{"x", x}},
                                           {.type = "ZeroDivisionError",
                                            .message = "division by zero",
                                            .source = "def f(x):\n  return x / 0\n",
                                            .line = 2});
  EXPECT_EQ(ErrorFeedback(graph.node(failed)),
            "def f(x):\n"
            "  return x / 0   <-- fails here: (ZeroDivisionError) division by zero\n"
            "(ZeroDivisionError) division by zero");
  EXPECT_EQ(ErrorFeedback(graph.node(x)), "");
}

TEST(GraphValueTest, IsPrintedAsPythonDoes) {
  EXPECT_EQ(PythonText({}), "None");
  EXPECT_EQ(PythonText(true), "True");
  EXPECT_EQ(PythonText(int64_t{-3}), "-3");
  EXPECT_EQ(PythonText(1.0), "1.0");
  EXPECT_EQ(PythonText(-0.0), "-0.0");
  EXPECT_EQ(PythonText(0.1), "0.1");
  EXPECT_EQ(PythonText(1e16), "1e+16");
  EXPECT_EQ(PythonText(123456789012345.0), "123456789012345.0");
  EXPECT_EQ(PythonText(0.0001), "0.0001");
  EXPECT_EQ(PythonText(1.5e-05), "1.5e-05");
  EXPECT_EQ(PythonText(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(PythonText("it's"), "it's");
  EXPECT_EQ(PythonText(GraphJson{Json::parse(R"({"a": [1, 2.0, "it's", "b\n", null, true]})")}),
            R"({'a': [1, 2.0, "it's", 'b\n', None, True]})");
}

TEST(GraphValueTest, KnowsItsType) {
  EXPECT_EQ(TypeName({}), "NoneType");
  EXPECT_EQ(TypeName(false), "bool");
  EXPECT_EQ(TypeName(int64_t{1}), "int");
  EXPECT_EQ(TypeName(1.0), "float");
  EXPECT_EQ(TypeName("text"), "str");
  EXPECT_EQ(TypeName(GraphJson{Json::array()}), "list");
  EXPECT_EQ(TypeName(GraphJson{Json::object()}), "dict");
  EXPECT_EQ(TypeName(GraphCode{"def f(): pass"}), "code");
}

}  // namespace
}  // namespace troupe
