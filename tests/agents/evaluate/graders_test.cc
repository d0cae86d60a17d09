// What of an answer counts, and the graders that need nothing but it.
#include <google/protobuf/util/json_util.h>

#include "agents/evaluate/answer_text.h"
#include "agents/evaluate/grader.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

TEST(AnswerTextTest, FindsTheNumber) {
  struct Row {
    const char* text;
    double number;
  };
  for (const Row& row :
       {Row{"42", 42}, Row{"It costs $1,234.50 in all.", 1234.5}, Row{"a 3, b 4\n#### 7", 7},
        Row{"So \\boxed{-12} and not 13", -12}, Row{"10 - 3 = 7", 7}, Row{"about 10-3", 3},
        Row{"x = -3.5", -3.5}, Row{"-$5", -5}, Row{"2e6 people", 2e6}, Row{"3/4 of it", 0.75},
        Row{".5", 0.5}, Row{"12%.", 12}, Row{"#### 1,000,000 (in 2020)", 1000000}, Row{"f(2)-1", 1},
        Row{"\u22127", -7}}) {
    const auto number = FindNumber(row.text);
    ASSERT_TRUE(number.has_value()) << row.text;
    EXPECT_DOUBLE_EQ(*number, row.number) << row.text;
  }
  for (const char* text : {"", "none", "1/0"}) EXPECT_FALSE(FindNumber(text).has_value()) << text;
}

TEST(AnswerTextTest, FindsTheChoice) {
  struct Row {
    const char* text;
    char choice;
  };
  for (const Row& row :
       {Row{"B", 'B'}, Row{"(c)", 'C'}, Row{"D.", 'D'}, Row{"A is wrong. The answer is (B).", 'B'},
        Row{"Answer: C", 'C'}, Row{"**Answer:** B", 'B'}, Row{"First (A), then better (D)", 'D'},
        Row{"Let us see.\nC) the cat", 'C'}, Row{"The answer is A, not (B)", 'A'}}) {
    const auto choice = FindChoice(row.text, 10);
    ASSERT_TRUE(choice.has_value()) << row.text;
    EXPECT_EQ(*choice, row.choice) << row.text;
  }
  for (const char* text : {"", "A cat sat", "The answer is unknown", "the answer is a cat", "Z"}) {
    EXPECT_FALSE(FindChoice(text, 10).has_value()) << text;
  }
}

TEST(AnswerTextTest, FindsTagsAndCode) {
  EXPECT_EQ(TaggedPart("<answer>a</answer> no, <answer> b </answer>.", "answer"), "b");
  EXPECT_EQ(TaggedPart("<answer>cut", "answer"), "cut");
  EXPECT_FALSE(TaggedPart("none", "answer").has_value());
  EXPECT_EQ(FindCode("say\n```python\nx = 1\n```\nand\n```\ny = 2\n```\n"), "y = 2\n");
  EXPECT_EQ(FindCode("```json\n{}\n```\n```py\nz\n```"), "z\n");
  EXPECT_EQ(FindCode("x = 1"), "x = 1");
}

class GradersTest : public RunTest {
 protected:
  static absl::StatusOr<GraderSet> Make(const std::string& json) {
    v1::EvaluateSpec spec;
    const auto parsed =
        google::protobuf::util::JsonStringToMessage(R"({"graders": [)" + json + "]}", &spec);
    EXPECT_TRUE(parsed.ok()) << parsed << json;
    return GraderSet::Make(spec.graders(), "graders");
  }

  GivenGrade Grade(const std::string& grader, const std::string& expected,
                   const std::string& answer) {
    const auto set = Make(grader);
    EXPECT_TRUE(set.ok()) << set.status();
    Item item = *MakeItem(1, {{"question", "q"}, {"answer", expected}}, {"question", "answer"});
    const std::string name = std::to_string(++runs_);
    const auto grades =
        Live<std::vector<GivenGrade>>([&](Scope& root) -> Async<std::vector<GivenGrade>> {
          Scope run = root.Open("run", name, "");
          auto given = co_await set->Judge(run, item, answer);
          run.End();
          co_return given;
        });
    EXPECT_TRUE(grades.ok()) << grades.status();
    return grades->front();
  }

  bool Passes(const std::string& grader, const std::string& expected, const std::string& answer) {
    return Grade(grader, expected, answer).passed;
  }

  int runs_ = 0;
};

TEST_F(GradersTest, TellWhatTheyJudged) {
  const std::string answer = "First 3, no:\n<answer> 12 </answer> (B)";
  EXPECT_EQ(Grade(R"({"normalized": {}, "answer_tag": "answer"})", "12", answer).judged, "12");
  EXPECT_EQ(Grade(R"({"exact": {}, "answer_pattern": "First (.) *"})", "3", answer).judged, "3");
  EXPECT_EQ(Grade(R"({"numeric": {}})", "12", answer).judged, "12");
  EXPECT_EQ(Grade(R"({"choice": {}})", "B", answer).judged, "B");
  EXPECT_EQ(Grade(R"({"exact": {}})", "B", answer).judged, "");  // all of it
  EXPECT_EQ(Grade(R"({"numeric": {}})", "12", "none").judged, "");
}

TEST_F(GradersTest, CompareTexts) {
  EXPECT_TRUE(Passes(R"({"exact": {}})", "Yes", " Yes\n"));
  EXPECT_FALSE(Passes(R"({"exact": {}})", "Yes", "yes"));
  EXPECT_TRUE(Passes(R"({"normalized": {}})", "It's  Paris", "its paris!"));
  EXPECT_FALSE(Passes(R"({"normalized": {}})", "Paris", "Paris, I think"));
  EXPECT_TRUE(Passes(R"({"normalized": {"contains": true}})", "Paris", "Paris, I think"));
  EXPECT_FALSE(Passes(R"({"normalized": {"contains": true}})", "no", "I know"));
  EXPECT_FALSE(Passes(R"({"normalized": {}})", "...", "!"));
  EXPECT_TRUE(Passes(R"({"normalized": {}, "answer_tag": "answer"})", "No", "<answer>no</answer>"));
  EXPECT_FALSE(Passes(R"({"normalized": {}, "answer_tag": "answer"})", "No", "no"));
  EXPECT_TRUE(Passes(R"({"exact": {}, "answer_pattern": "([0-9]+) apples"})", "7",
                     "3 apples, no: 7 apples"));
}

TEST_F(GradersTest, CompareNumbersAndChoices) {
  EXPECT_TRUE(Passes(R"({"numeric": {}})", "so 48/2 = 24\n#### 72", "The total is 72.0 clips"));
  EXPECT_FALSE(Passes(R"({"numeric": {}})", "72", "73"));
  EXPECT_TRUE(Passes(R"({"numeric": {"absolute_tolerance": 1}})", "72", "73"));
  EXPECT_TRUE(Passes(R"({"numeric": {"relative_tolerance": 0.02}})", "72", "73"));
  EXPECT_TRUE(Passes(R"({"numeric": {}})", "0.3", "0.30000000000000004"));
  EXPECT_TRUE(Passes(R"({"choice": {}})", "(B)", "I think the answer is B."));
  EXPECT_FALSE(Passes(R"({"choice": {}})", "(B)", "(A)"));
  EXPECT_EQ(Grade(R"({"choice": {}})", "(B)", "neither").reason, "makes no choice");
}

TEST_F(GradersTest, MatchPatternsAndSchemas) {
  EXPECT_TRUE(Passes(R"({"regex": {"pattern": "(?i)final: \\d+"}})", "", "so Final: 12."));
  EXPECT_FALSE(Passes(R"({"regex": {"pattern": "\\d+", "full_match": true}})", "", "a 12"));
  EXPECT_TRUE(Passes(R"({"regex": {}})", "ca[rt]", "a cat"));
  EXPECT_FALSE(Passes(R"({"regex": {}})", "ca[rt", "a cat"));  // of the data set: no pattern
  const std::string schema =
      R"({"json_schema": {"schema": "{\"type\": \"object\", \"required\": [\"a\"]}"}})";
  EXPECT_TRUE(Passes(schema, "", "```json\n{\"a\": 1}\n```"));
  EXPECT_FALSE(Passes(schema, "", "{\"b\": 1}"));
  EXPECT_FALSE(Passes(schema, "", "no JSON"));
}

TEST_F(GradersTest, CountByWeight) {
  const auto set = Make(R"({"exact": {}, "weight": 3}, {"normalized": {}},
                           {"numeric": {}, "weight": 0})");
  ASSERT_TRUE(set.ok()) << set.status();
  const std::vector<GivenGrade> grades = {
      {"exact", 0, false, ""}, {"normalized", 1, true, ""}, {"numeric", 0, false, ""}};
  EXPECT_DOUBLE_EQ(set->ScoreOf(grades), 0.25);
  EXPECT_FALSE(set->PassOf(grades));
  EXPECT_TRUE(set->PassOf({{"", 1, true, ""}, {"", 1, true, ""}, {"", 0, false, ""}}));
}

TEST_F(GradersTest, SayWhatOfASpecIsWrong) {
  for (const auto& [json, field] : std::vector<std::pair<std::string, std::string>>{
           {R"({})", "graders[0]"},
           {R"({"exact": {}, "weight": -1})", "graders[0].weight"},
           {R"({"exact": {}}, {"exact": {}})", "graders[1].name"},
           {R"({"exact": {}, "weight": 0})", "graders"},
           {R"({"exact": {}, "answer_tag": "a b"})", "graders[0].answer_tag"},
           {R"({"exact": {}, "answer_pattern": "("})", "graders[0].answer_pattern"},
           {R"({"numeric": {"absolute_tolerance": -1}})", "graders[0].numeric.absolute_tolerance"},
           {R"({"choice": {"choices": 27}})", "graders[0].choice.choices"},
           {R"({"regex": {"pattern": "("}})", "graders[0].regex.pattern"},
           {R"({"json_schema": {"schema": "{"}})", "graders[0].json_schema.schema"},
           {R"({"code": {}})", "graders[0].code.code"},
           {R"({"model": {}})", "graders[0].model.rubric"}}) {
    const auto set = Make(json);
    EXPECT_EQ(ReasonOf(set.status()), Reason::kInvalidField) << json;
    EXPECT_EQ(MetadataOf(set.status())["field"], field) << set.status();
  }
}

TEST_F(GradersTest, AskWhatItemsHave) {
  const auto set = Make(R"({"exact": {}}, {"code": {"tests_field": "tests"}})");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(ReasonOf(set->CheckItems({"q", "tests"}, false)), Reason::kInvalidField);
  EXPECT_EQ(ReasonOf(set->CheckItems({"q"}, true)), Reason::kInvalidField);
  EXPECT_TRUE(set->CheckItems({"q", "tests"}, true).ok());
}

}  // namespace
}  // namespace troupe
