// Bindings, conditions, parameters and the checks of documents.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "agents/workflow/binding.h"
#include "agents/workflow/check.h"
#include "agents/workflow/condition.h"
#include "agents/workflow/parameter.h"
#include "agents/workflow/tape.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

template <typename M>
M Parsed(const std::string& json) {
  M message;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &message);
  EXPECT_TRUE(parsed.ok()) << parsed << json;
  return message;
}

absl::StatusOr<Json> BoundTo(const Json& binding) {
  static const auto* const values = new std::map<std::string, Json>{
      {"a", 1}, {"deep", {{"list", {10, 20, 30}}, {"any key", "found"}}}};
  return Bind(binding, [](const std::string& name) -> const Json* {
    const auto found = values->find(name);
    return found == values->end() ? nullptr : &found->second;
  });
}

TEST(BindingTest, TakesPartsOfValuesAndLeavesTextsAlone) {
  EXPECT_EQ(*BoundTo("$a"), 1);
  EXPECT_EQ(*BoundTo("$deep.list[1]"), 20);
  EXPECT_EQ(*BoundTo("$deep.list[-1]"), 30);
  EXPECT_EQ(*BoundTo("$deep[\"any key\"]"), "found");
  EXPECT_EQ(*BoundTo("$$a"), "$a");
  EXPECT_EQ(*BoundTo("a $a"), "a $a");
  EXPECT_EQ(*BoundTo(Json{{"x", {"$a", "b"}}}), (Json{{"x", {1, "b"}}}));
}

TEST(BindingTest, SaysWhatIsNotThere) {
  for (const auto& [binding, what] : std::vector<std::pair<std::string, std::string>>{
           {"$b", "no such name"},
           {"$a.b", "what has no 'b' is a number"},
           {"$deep.lost", "it has no 'lost' but: any key, list"},
           {"$deep.list[3]", "the list has 3 elements"},
           {"$deep.list.x", "is a list"},
           {"$", "a name is of lower-case letters"},
           {"$a.", "a member's name is missing"},
           {"$a[x]", "in brackets stands a whole number"},
           {"$a[1", "in brackets stands a whole number"},
           {"$a[\"x]", "ends with"},
           {"$a b", "a name is of lower-case letters"}}) {
    const auto bound = BoundTo(binding);
    ASSERT_FALSE(bound.ok()) << binding;
    EXPECT_THAT(std::string(MessageOf(bound.status())), testing::HasSubstr(what)) << binding;
  }
}

bool IsTrue(const std::string& condition) {
  static const Json* const a = new Json{{"number", 5}, {"text", "a plum"}, {"list", {1, "x"}}};
  const auto holds =
      Holds(Parsed<v1::WorkflowCondition>(condition),
            [](const std::string& name) -> const Json* { return name == "a" ? a : nullptr; });
  EXPECT_TRUE(holds.ok()) << holds.status() << condition;
  return holds.ok() && *holds;
}

TEST(ConditionTest, TestsAndJoins) {
  EXPECT_TRUE(IsTrue(R"({"value": "$a.number", "equals": 5.0})"));
  EXPECT_FALSE(IsTrue(R"({"value": "$a.number", "differs": 5})"));
  EXPECT_TRUE(IsTrue(R"({"value": "$a.number", "at_most": 5})"));
  EXPECT_FALSE(IsTrue(R"({"value": "$a.number", "less": 5})"));
  EXPECT_TRUE(IsTrue(R"({"value": "$a.number", "more": 4.5})"));
  EXPECT_TRUE(IsTrue(R"({"value": "$a.text", "contains": "plum"})"));
  EXPECT_TRUE(IsTrue(R"({"value": "$a.list", "contains": "x"})"));
  EXPECT_TRUE(IsTrue(R"({"value": "$a.text", "matches": "pl.m$"})"));
  EXPECT_TRUE(IsTrue(R"({"value": "", "is_set": false})"));
  EXPECT_TRUE(
      IsTrue(R"({"any": [{"value": 1, "equals": 2}, {"not": {"value": 1, "equals": 2}}]})"));
  EXPECT_FALSE(IsTrue(R"({"all": [{"value": 1, "equals": 1}, {"value": 1, "equals": 2}]})"));
}

TEST(ParameterTest, KeepsToItsConstraint) {
  const auto number =
      Parsed<v1::WorkflowParameter>(R"({"value": 5, "constraint": {"minimum": 1, "maximum": 9}})");
  EXPECT_TRUE(CheckValue("n", number, 9).ok());
  EXPECT_FALSE(CheckValue("n", number, 9.5).ok());
  EXPECT_FALSE(CheckValue("n", number, "9").ok());
  EXPECT_EQ(PutIntoRange(number, 12), 9);
  EXPECT_EQ(ConstraintText("n", number), "at least 1; at most 9");
  const auto choice = Parsed<v1::WorkflowParameter>(
      R"({"value": "low", "constraint": {"choices": ["low", "high"]}})");
  EXPECT_TRUE(CheckValue("c", choice, "high").ok());
  EXPECT_FALSE(CheckValue("c", choice, "middle").ok());
  const auto code =
      Parsed<v1::WorkflowParameter>(R"({"code": {"source": "def f(x):\n    return x\n"}})");
  EXPECT_TRUE(CheckValue("f", code, "import re\ndef f(x):\n    return 1\n").ok());
  EXPECT_FALSE(CheckValue("f", code, "def g(x):\n    return 1\n").ok());
  const auto r = Parsed<v1::WorkflowParameter>(
      R"({"code": {"language": "LANGUAGE_R", "source": "f <- function(x) x"}})");
  EXPECT_TRUE(CheckValue("f", r, "f = function(x) x + 1").ok());
  EXPECT_FALSE(CheckValue("f", r, "def f(x): pass").ok());
}

TEST(TapeTest, BranchesAreNumberedAnewBehindEachOther) {
  WorkflowTape tape;
  ValueId root = 0;
  ASSERT_TRUE(tape.Add({.name = "root"}, root).ok());
  WorkflowTape first = tape.Branch();
  WorkflowTape second = tape.Branch();
  ValueId a = 0;
  ValueId b = 0;
  ASSERT_TRUE(first.Add({.name = "a", .inputs = {{"x", root}}}, a).ok());
  ASSERT_TRUE(second.Add({.name = "b", .inputs = {{"x", root}}}, b).ok());
  ASSERT_TRUE(second.Add({.name = "c", .inputs = {{"x", b}}}, b).ok());
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 3);
  ASSERT_TRUE(tape.Append(first, a).ok());
  ASSERT_TRUE(tape.Append(second, b).ok());
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 4);
  EXPECT_EQ(tape.entries()[2].inputs[0].second, root);
  EXPECT_EQ(tape.entries()[3].inputs[0].second, 3);
}

WorkflowServices Services() {
  WorkflowServices services;
  services.find_kind = [](const std::string&) -> const TaskKind* { return nullptr; };
  services.find_tool =
      [](const std::string& name) -> absl::StatusOr<std::shared_ptr<const ToolSpec>> {
    if (name != "sum") return Error(Reason::kToolUnknown, "there is no tool " + name);
    auto spec = std::make_shared<ToolSpec>();
    spec->arguments_schema = Json::parse(
        R"({"properties": {"a": {}, "b": {}}, "required": ["a", "b"], "additionalProperties": false})");
    return std::shared_ptr<const ToolSpec>(std::move(spec));
  };
  return services;
}

// The places of a document's problems with what they say.
std::vector<std::string> Problems(const std::string& workflow) {
  std::vector<std::string> problems;
  for (const auto& problem : FindProblems(Parsed<v1::Workflow>(workflow), Services())) {
    problems.push_back(problem.place + ": " + problem.what);
  }
  return problems;
}

TEST(CheckWorkflowTest, FindsAllProblemsAtOnceWithTheirPlaces) {
  const auto problems = Problems(R"({
    "inputs": {"question": {"type": "TYPE_NUMBER", "default": "x"}},
    "parameters": {
      "unused": {"prompt": "p", "trainable": true},
      "score": {"code": {"source": "def other(x):\n  return x"}},
      "ask": {"prompt": "{{question}} {{nobody}}"},
      "narrow": {"value": 3, "constraint": {"minimum": 5, "maximum": 4}}},
    "steps": [
      {"name": "first", "set": "$second"},
      {"name": "second", "model": {"messages": [{"prompt": "ask"}, {"prompt": "score"}]}},
      {"name": "first", "tool": {"tool": "sum", "arguments": {"a": 1, "c": 2}}},
      {"name": "third", "code": {"function": "ask", "arguments": {"x": "$first.["}}},
      {"name": "loop", "while": {"condition": {"value": "$n", "less": 3, "any": [{}]},
        "carry": {"n": 0}, "steps": [{"name": "inner", "set": 1}], "next": {"m": "$inner"}}},
      {"name": "last", "if": {"condition": {"value": "$inner", "matches": "("}, "then": []}},
      {"name": "none"}],
    "answer": "$loop"})");
  using testing::HasSubstr;
  EXPECT_THAT(
      problems,
      testing::UnorderedElementsAre(
          HasSubstr("inputs[question].default: is not of the input's type"),
          HasSubstr("parameters[narrow].constraint.minimum: is more than the maximum"),
          HasSubstr("parameters[narrow].value: narrow: 3 is less than 5"),
          HasSubstr("parameters[score].code.source: score: must define the function score"),
          HasSubstr("parameters[unused].trainable: it is trainable, and no step uses it"),
          HasSubstr("steps[0].set: the step 'second' is not seen here: it comes later"),
          HasSubstr("steps[1].model.messages[0].prompt: "),
          HasSubstr("steps[1].model.messages[1].prompt: the parameter 'score' is no prompt"),
          HasSubstr("steps[2].name: 'first' is the name of something else already"),
          HasSubstr("steps[2].tool.arguments: the tool needs 'b'"),
          HasSubstr("steps[2].tool.arguments[c]: the tool takes no such argument"),
          HasSubstr("steps[3].code.function: the parameter 'ask' is no code"),
          HasSubstr("steps[3].code.arguments[x]: '$first.[' is no reference"),
          HasSubstr("steps[4].while.condition: give one test"),
          HasSubstr("steps[4].while.condition.any[0]: give one test"),
          HasSubstr("steps[4].while.max_rounds: give 1 to 10,000"),
          HasSubstr("steps[4].while.next[m]: 'm' is not carried"),
          HasSubstr("steps[5].if.condition.matches: "),
          HasSubstr("steps[5].if.condition.value: the step 'inner' is not seen here"),
          HasSubstr("steps[5].if.then: say what is done"),
          HasSubstr("steps[6]: say what it does")));
}

TEST(CheckWorkflowTest, AnErrorTellsAsMuchAsFitsAndHowManyMore) {
  v1::Workflow workflow;
  for (int i = 0; i < 49; ++i) workflow.add_steps()->set_name("same");
  const absl::Status status = CheckWorkflow(workflow, Services(), "spec");
  EXPECT_LT(MessageOf(status).size(), 1700);
  EXPECT_THAT(std::string(MessageOf(status)), testing::HasSubstr("more: validate_only tells all"));
  EXPECT_EQ(MetadataOf(status).at("field"), "spec.steps[0]");
}

TEST(CheckWorkflowTest, NestsAsDeepAsItSays) {
  std::string steps = R"({"name": "leaf", "set": 1})";
  for (int i = 0; i < 20; ++i) {
    steps = R"({"name": "s)" + std::to_string(i) +
            R"(", "if": {"condition": {"value": 1, "equals": 1}, "then": [)" + steps + "]}}";
  }
  EXPECT_THAT(Problems(R"({"steps": [)" + steps + "]}"),
              testing::ElementsAre(testing::HasSubstr("nested over 12 deep")));
}

}  // namespace
}  // namespace troupe
