// The problem instances of 29 programs, recorded by hand as their runs would be, are those that
// microsoft/Trace builds for them: tests/trace.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "agents/trace/problem.h"

namespace troupe {
namespace {

// A recorded program: the graph, its output, and what was said of it.
struct Recorded {
  Graph graph;
  NodeId output = kNoNode;

  NodeId Parameter(std::string_view name, GraphValue value, std::string constraint = "") {
    return graph.AddParameter(name, std::move(value), {.constraint = std::move(constraint)});
  }
  NodeId Value(std::string_view name, GraphValue value) {
    return graph.AddValue(name, std::move(value));
  }
  // An operation whose result is named as it is.
  NodeId Make(std::string_view operation, std::vector<GraphInput> inputs, GraphValue value,
              std::string name = "", std::vector<NodeId> hidden = {}) {
    return output = graph.AddOperation(
               operation, inputs, std::move(value),
               {.name = std::move(name), .hidden_dependencies = std::move(hidden)});
  }
  void Fail(std::string_view operation, std::vector<GraphInput> inputs, std::string name,
            std::string type, std::string message) {
    output = graph.AddException(operation, inputs,
                                {.type = std::move(type), .message = std::move(message)},
                                {.name = std::move(name)});
  }
};

GraphValue JsonValue(const char* text) { return GraphJson{Json::parse(text)}; }
GraphValue Code(const char* text) { return GraphCode{text}; }
constexpr int64_t operator""_i(unsigned long long number) { return static_cast<int64_t>(number); }

using Program = std::function<void(Recorded&)>;
const std::map<std::string, Program>& Programs() {
  static const auto* const programs = new std::map<std::string, Program>{
      {"sums",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 1_i);
         const NodeId b = r.Value("b", 2_i);
         const NodeId c = r.Value("c", 3_i);
         const NodeId sum = r.Make("add", {{"x", x}, {"y", b}}, 3_i);
         r.Make("subtract", {{"x", sum}, {"y", c}}, 0_i);
       }},
      {"floats",
       [](Recorded& r) {
         const NodeId rate = r.Parameter("rate", 0.5, "between 0 and 1");
         const NodeId base = r.Value("base", 80.0);
         const NodeId product = r.Make("multiply", {{"x", base}, {"y", rate}}, 40.0);
         r.Make("divide", {{"x", product}, {"y", r.Value("parts", 4_i)}}, 10.0);
       }},
      {"unnamed_constants",
       [](Recorded& r) {
         const NodeId negative = r.Make("neg", {{"x", r.Parameter("x", -1_i)}}, 1_i);
         r.Make("add", {{"x", negative}, {"y", r.Value("", 3_i)}}, 4_i);
       }},
      {"upper_strings",
       [](Recorded& r) {
         const NodeId greeting = r.Parameter("greeting", "hello");
         const NodeId both =
             r.Make("concat", {{"x", greeting}, {"y", r.Value("", " world")}}, "hello world");
         r.Make("upper", {{"x", both}}, "HELLO WORLD");
       }},
      {"formatted",
       [](Recorded& r) {
         const NodeId form = r.Parameter("template", "Dear {}, {}");
         const NodeId who = r.Value("who", "Ada");
         const NodeId what = r.Value("what", "welcome");
         r.Make("format", {{"x", form}, {"args_0", who}, {"args_1", what}}, "Dear Ada, welcome");
       }},
      {"list_sum",
       [](Recorded& r) {
         const NodeId numbers = r.Parameter("numbers", JsonValue("[3, 1, 2]"));
         const NodeId first = r.Make("getitem", {{"x", numbers}, {"index", r.Value("", 0_i)}}, 3_i);
         const NodeId last = r.Make("getitem", {{"x", numbers}, {"index", r.Value("", 2_i)}}, 2_i);
         r.Make("add", {{"x", first}, {"y", last}}, 5_i);
       }},
      {"list_length",
       [](Recorded& r) {
         const NodeId length =
             r.Make("len_", {{"x", r.Parameter("words", JsonValue(R"(["a", "b"])"))}}, 2_i);
         r.Make("multiply", {{"x", length}, {"y", r.Value("weight", 10_i)}}, 20_i);
       }},
      {"dict_difference",
       [](Recorded& r) {
         const NodeId settings = r.Parameter("settings", JsonValue(R"({"high": 9, "low": 2})"));
         const NodeId high =
             r.Make("getitem", {{"x", settings}, {"index", r.Value("", "high")}}, 9_i);
         const NodeId low =
             r.Make("getitem", {{"x", settings}, {"index", r.Value("", "low")}}, 2_i);
         r.Make("subtract", {{"x", high}, {"y", low}}, 7_i);
       }},
      {"nested_values",
       [](Recorded& r) {
         const NodeId table = r.Parameter(
             "table", JsonValue(R"({"rows": [[1, 2.5], ["it's", null]], "title": "t"})"));
         const NodeId rows = r.Make("getitem", {{"x", table}, {"index", r.Value("", "rows")}},
                                    JsonValue(R"([[1, 2.5], ["it's", null]])"));
         r.Make("getitem", {{"x", rows}, {"index", r.Value("", 1_i)}},
                JsonValue(R"(["it's", null])"));
       }},
      {"compared",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 4_i);
         const NodeId above = r.Make("gt", {{"x", x}, {"y", r.Value("limit", 5_i)}}, false);
         r.Make("eq", {{"x", above}, {"y", r.Value("wanted", true)}}, false);
       }},
      {"branch_below",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", -2_i);
         r.Make("lt", {{"x", x}, {"y", r.Value("", 0_i)}}, true);
         const NodeId y = r.Make("neg", {{"x", x}}, 2_i);
         r.Make("add", {{"x", y}, {"y", r.Value("", 1_i)}}, 3_i);
       }},
      {"branch_above",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 2_i);
         r.Make("lt", {{"x", x}, {"y", r.Value("", 0_i)}}, false);
         const NodeId y = r.Make("multiply", {{"x", x}, {"y", r.Value("", 2_i)}}, 4_i);
         r.Make("add", {{"x", y}, {"y", r.Value("", 1_i)}}, 5_i);
       }},
      {"chosen",
       [](Recorded& r) {
         const NodeId flag = r.Parameter("flag", true);
         const NodeId first = r.Value("first", "yes");
         const NodeId second = r.Value("second", "no");
         r.Make("cond", {{"condition", flag}, {"x", first}, {"y", second}}, "yes");
       }},
      {"bundled",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 2_i);
         r.Make("bundled.<locals>.scaled", {{"x", x}, {"factor", r.Value("factor", 3_i)}}, 6_i,
                "scale");
       }},
      {"bundled_docstring",
       [](Recorded& r) {
         r.Make("bundled_docstring.<locals>.shout", {{"text", r.Parameter("text", "hi")}}, "HI!");
       }},
      {"raised",
       [](Recorded& r) {
         const NodeId y = r.Parameter("y", 0_i);
         r.Fail("raised.<locals>.divided", {{"x", r.Value("x", 1_i)}, {"y", y}},
                "exception_divide_all", "ZeroDivisionError", "division by zero");
       }},
      {"raised_late",
       [](Recorded& r) {
         const NodeId start = r.Parameter("start", 1_i);
         const NodeId items = r.Value("items", JsonValue("[10, 20]"));
         const NodeId index = r.Make("add", {{"x", start}, {"y", r.Value("step", 4_i)}}, 5_i);
         r.Fail("raised_late.<locals>.pick", {{"items", items}, {"index", index}}, "exception_pick",
                "IndexError", "list index out of range");
       }},
      {"code_alone",
       [](Recorded& r) {
         const NodeId code = r.Parameter(
             "__code", Code("def rule(x):\n    \"\"\"Decides.\"\"\"\n    return x + 1"));
         r.Make("eval", {{"x", r.Value("x", 4_i)}, {"__code", code}}, 5_i);
       }},
      {"code_and_value",
       [](Recorded& r) {
         const NodeId code = r.Parameter("__code", Code("def rule(x, k):\n    return x * k"));
         const NodeId k = r.Parameter("k", 2_i);
         const NodeId y =
             r.Make("eval", {{"x", r.Value("x", 4_i)}, {"k", k}, {"__code", code}}, 8_i);
         r.Make("add", {{"x", y}, {"y", r.Value("", 1_i)}}, 9_i);
       }},
      {"code_that_fails",
       [](Recorded& r) {
         const NodeId code = r.Parameter("__code", Code("def rule(x):\n    return x[\"missing\"]"));
         r.Fail("eval", {{"x", r.Value("x", JsonValue(R"({"there": 1})"))}, {"__code", code}},
                "exception_eval", "KeyError", "'missing'");
       }},
      {"nested_bundles",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 3_i);
         const NodeId y = r.Make("nested_bundles.<locals>.outer", {{"x", x}}, 8_i, "outer");
         r.Make("subtract", {{"x", y}, {"y", r.Value("one", 1_i)}}, 7_i);
       }},
      {"hidden_parameter",
       [](Recorded& r) {
         const NodeId inside = r.Parameter("inside", 5_i);
         const NodeId x = r.Parameter("x", 3_i);
         r.Make("hidden_parameter.<locals>.lifted", {{"x", x}}, 8_i, "lifted", {inside});
       }},
      {"diamond_products",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 3_i);
         const NodeId left = r.Make("add", {{"x", x}, {"y", r.Value("one", 1_i)}}, 4_i);
         const NodeId right = r.Make("multiply", {{"x", x}, {"y", r.Value("two", 2_i)}}, 6_i);
         r.Make("multiply", {{"x", left}, {"y", right}}, 24_i);
       }},
      {"two_diamonds",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 3_i);
         const NodeId copy = r.Make("clone", {{"x", x}}, 3_i);
         const NodeId square = r.Make("multiply", {{"x", copy}, {"y", x}}, 9_i);
         const NodeId more = r.Make("add", {{"x", square}, {"y", r.Value("one", 1_i)}}, 10_i);
         r.Make("multiply", {{"x", more}, {"y", square}}, 90_i);
       }},
      {"outside",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 1_i);
         const NodeId a = r.Value("a", 2_i);
         const NodeId made = r.Make("add", {{"x", a}, {"y", r.Value("b", 3_i)}}, 5_i);
         r.Make("subtract", {{"x", made}, {"y", x}}, 4_i);
       }},
      {"two_parameters_and_an_idle_one",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 1_i);
         const NodeId y = r.Parameter("y", 2_i, "even");
         r.Parameter("idle", 3_i);
         const NodeId sum = r.Make("add", {{"x", x}, {"y", r.Value("k", 1_i)}}, 2_i);
         r.Make("multiply", {{"x", sum}, {"y", y}}, 4_i);
       }},
      {"sum_loop",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", 2_i);
         NodeId y = r.Value("start", 0_i);
         for (int64_t i = 1; i <= 4; ++i) y = r.Make("add", {{"x", y}, {"y", x}}, 2 * i);
       }},
      {"same_name",
       [](Recorded& r) {
         const NodeId first = r.Parameter("w", 1_i);
         const NodeId second = r.Parameter("w", 2_i);
         r.Make("subtract", {{"x", first}, {"y", second}}, -1_i);
       }},
      {"nothing",
       [](Recorded& r) {
         const NodeId x = r.Parameter("x", {});
         r.Make("is_", {{"x", x}, {"y", r.Value("none", {})}}, true);
       }},
  };
  return *programs;
}

class AgreementTest : public testing::TestWithParam<std::string> {};

TEST_P(AgreementTest, TheProblemIsTheOneThatThePublishedPackageBuilds) {
  std::ifstream file(std::string(TROUPE_SOURCE_DIR "/tests/trace/expected/") + GetParam() +
                     ".json");
  std::ostringstream text;
  text << file.rdbuf();
  const auto expected = ParseJson(text.str(), "the expected problem");
  ASSERT_TRUE(expected.ok()) << expected.status();

  Recorded recorded;
  Programs().at(GetParam())(recorded);
  Propagation propagation(recorded.graph);
  ASSERT_TRUE(propagation.Backward(recorded.output, JsonString(*expected, "feedback")).ok());
  const Problem problem =
      MakeProblem(recorded.graph, propagation.Whole(), {.objective = "", .show_hidden = false});
  const Json found = ProblemJson(problem);
  for (const char* const part : {"code", "variables", "inputs", "others", "outputs", "feedback"}) {
    EXPECT_EQ(JsonMember(found, part), JsonMember(*expected, part)) << part;
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, program] : Programs()) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Programs, AgreementTest, testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace troupe
