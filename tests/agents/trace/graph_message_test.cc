#include "agents/trace/graph_message.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <limits>

#include "tools/base/error.h"
#include "troupe/v1/graph.pb.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;

v1::Graph Sample() {
  v1::Graph message;
  v1::GraphOperator& add = *message.add_operators();
  add.set_name("add");
  add.set_description("[add] The sum of x and y.");
  v1::GraphNode& x = *message.add_nodes();
  x.set_name("x:0");
  x.mutable_value()->set_int_value(-1);
  x.set_trainable(true);
  x.set_constraint("x > 0");
  v1::GraphNode& table = *message.add_nodes();
  table.set_name("table:0");
  table.mutable_value()->set_text("a b\n1 2");
  table.mutable_value()->set_type("DataFrame");
  v1::GraphNode& sum = *message.add_nodes();
  sum.set_name("add:0");
  sum.set_operator_("add");
  sum.mutable_value()->set_double_value(0.5);
  v1::GraphInput& input = *sum.add_inputs();
  input.set_name("y");
  input.set_node(1);
  sum.add_hidden_dependencies(0);
  v1::GraphNode& failed = *message.add_nodes();
  failed.set_name("exception_f:0");
  failed.set_operator_("f");
  failed.mutable_inputs()->Add(v1::GraphInput(input));
  failed.mutable_exception()->set_type("KeyError");
  failed.mutable_exception()->set_message("'c'");
  failed.mutable_exception()->set_source("def f(y):\n  return y['c']");
  failed.mutable_exception()->set_line(2);
  return message;
}

TEST(GraphMessageTest, ComesBackAsItWas) {
  const v1::Graph message = Sample();
  const auto graph = GraphFromMessage(message, "graph");
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->node(1).type, "DataFrame");
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(GraphMessage(*graph), message))
      << GraphMessage(*graph).DebugString();
}

TEST(GraphMessageTest, ValuesComeBackWithTheirTypes) {
  for (const GraphValue& value :
       {GraphValue(), GraphValue(true), GraphValue(int64_t{3}), GraphValue(3.0), GraphValue("3"),
        GraphValue(GraphJson{Json::array({3})}), GraphValue(GraphCode{"def f(): return 3"})}) {
    const auto back = ValueFromMessage(ValueMessage(value, TypeName(value)), "value");
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, value);
  }
}

TEST(GraphMessageTest, ObjectsKeepTheOrderOfTheirKeys) {
  v1::GraphValue message;
  message.set_json(R"({"z":1,"a":{"y":2,"b":3}})");
  const auto value = ValueFromMessage(message, "value");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(PythonText(*value), "{'z': 1, 'a': {'y': 2, 'b': 3}}");
  EXPECT_EQ(ValueMessage(*value, "dict").json(), message.json());
  EXPECT_EQ(*value, GraphValue(GraphJson{Json::parse(message.json())}));
}

struct WrongGraph {
  std::string_view field;
  void (*spoil)(v1::Graph&);
};

TEST(GraphMessageTest, WhatIsWrongIsRefusedByItsField) {
  const std::vector<WrongGraph> cases = {
      {"graph.nodes", [](v1::Graph& g) { g.clear_nodes(); }},
      {"graph.nodes[0].name", [](v1::Graph& g) { g.mutable_nodes(0)->set_name("1x"); }},
      {"graph.nodes[0].name", [](v1::Graph& g) { g.mutable_nodes(0)->set_name("x:"); }},
      {"graph.nodes[0].name", [](v1::Graph& g) { g.mutable_nodes(0)->set_name("x:01"); }},
      {"graph.nodes[0].name", [](v1::Graph& g) { g.mutable_nodes(0)->set_name("x:99999999999"); }},
      {"graph.nodes[1].name", [](v1::Graph& g) { g.mutable_nodes(1)->set_name("x:0"); }},
      {"graph.nodes[1].value.json",
       [](v1::Graph& g) { g.mutable_nodes(1)->mutable_value()->set_json("{"); }},
      {"graph.nodes[1].value.json",
       [](v1::Graph& g) { g.mutable_nodes(1)->mutable_value()->set_json("3"); }},
      {"graph.nodes[0].value.double_value",
       [](v1::Graph& g) {
         g.mutable_nodes(0)->mutable_value()->set_double_value(
             std::numeric_limits<double>::quiet_NaN());
       }},
      {"graph.nodes[0].inputs",
       [](v1::Graph& g) { *g.mutable_nodes(0)->add_inputs() = g.nodes(2).inputs(0); }},
      {"graph.nodes[0].exception",
       [](v1::Graph& g) { g.mutable_nodes(0)->mutable_exception()->set_type("E"); }},
      {"graph.nodes[2].trainable", [](v1::Graph& g) { g.mutable_nodes(2)->set_trainable(true); }},
      {"graph.nodes[2].inputs[0].node",
       [](v1::Graph& g) { g.mutable_nodes(2)->mutable_inputs(0)->set_node(2); }},
      {"graph.nodes[2].inputs[0].node",
       [](v1::Graph& g) { g.mutable_nodes(2)->mutable_inputs(0)->set_node(-1); }},
      {"graph.nodes[2].inputs[0].name",
       [](v1::Graph& g) { g.mutable_nodes(2)->mutable_inputs(0)->clear_name(); }},
      {"graph.nodes[2].inputs[1].name",
       [](v1::Graph& g) { *g.mutable_nodes(2)->add_inputs() = g.nodes(2).inputs(0); }},
      {"graph.nodes[2].hidden_dependencies[0]",
       [](v1::Graph& g) { g.mutable_nodes(2)->set_hidden_dependencies(0, 1); }},
      {"graph.nodes[2].hidden_dependencies[1]",
       [](v1::Graph& g) { g.mutable_nodes(2)->add_hidden_dependencies(0); }},
      {"graph.nodes[3].exception.type",
       [](v1::Graph& g) { g.mutable_nodes(3)->mutable_exception()->clear_type(); }},
      {"graph.nodes[3].exception.line",
       [](v1::Graph& g) { g.mutable_nodes(3)->mutable_exception()->set_line(-1); }},
      {"graph.operators[0].name", [](v1::Graph& g) { g.mutable_operators(0)->clear_name(); }},
      {"graph.operators[1].name", [](v1::Graph& g) { *g.add_operators() = g.operators(0); }},
      {"graph.nodes[0].constraint",
       [](v1::Graph& g) { g.mutable_nodes(0)->set_constraint(std::string(20'000, 'c')); }},
      {"graph",
       [](v1::Graph& g) {
         g.mutable_nodes(1)->mutable_value()->set_text(std::string((3 << 20) + 1, 't'));
       }},
  };
  for (const WrongGraph& each : cases) {
    v1::Graph message = Sample();
    each.spoil(message);
    const auto graph = GraphFromMessage(message, "graph");
    ASSERT_FALSE(graph.ok()) << each.field;
    EXPECT_TRUE(HasReason(graph.status(), Reason::kInvalidField)) << graph.status();
    EXPECT_EQ(MetadataOf(graph.status())["field"], each.field) << graph.status();
  }
}

TEST(GraphMessageTest, AGraphIsBounded) {
  v1::Graph message;
  for (int i = 0; i < 50'001; ++i) message.add_nodes();
  const auto graph = GraphFromMessage(message, "graph");
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(std::string(MessageOf(graph.status())), HasSubstr("50,000"));
  message.mutable_nodes()->RemoveLast();
  EXPECT_TRUE(GraphFromMessage(message, "graph").ok());
}

}  // namespace
}  // namespace troupe
