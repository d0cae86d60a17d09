// The parts of solve that are pure: moves, progress, results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agents/solve/move.h"
#include "agents/solve/progress.h"
#include "agents/solve/results.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

using testing::HasSubstr;

ChatReply Says(const std::string& text) {
  ChatReply reply;
  reply.message = AssistantMessage(text);
  return reply;
}

TEST(MoveTest, ReadsTheJsonForm) {
  const Move call = JsonMove(
      Says("```json\n{\"thought\": \"t\", \"action\": \"python\", \"arguments\": {\"code\": \"1\"}}"
           "\n```"));
  ASSERT_EQ(call.uses.size(), 1u) << call.problem;
  EXPECT_EQ(call.uses[0].name, "python");
  EXPECT_EQ(call.uses[0].arguments, Json({{"code", "1"}}));
  EXPECT_EQ(call.thought, "t");
  const Move answer = JsonMove(Says(R"({"thought": "", "final": {"n": 3}})"));
  EXPECT_TRUE(answer.is_answer);
  EXPECT_EQ(answer.answer, R"({"n":3})");
  EXPECT_EQ(JsonMove(Says(R"({"final": "yes"})")).answer, "yes");
  for (const char* wrong :
       {"hello", "[]", "{}", R"({"action": "a", "final": "b"})", R"({"action": ""})",
        R"({"action": 7})", R"({"action": "a", "arguments": "b"})"}) {
    const Move move = JsonMove(Says(wrong));
    EXPECT_FALSE(move.problem.empty()) << wrong;
    EXPECT_TRUE(move.uses.empty() && !move.is_answer) << wrong;
  }
}

TEST(MoveTest, SchemaTakesCallsOfTheToolsAndAnswers) {
  const std::vector<ToolDeclaration> tools = {
      {"add", "", Json::parse(R"({"type": "object", "properties": {"n": {"type": "integer"}},
                                  "required": ["n"]})")},
      {"odd", "", Json::parse(R"({"$ref": "#/definitions/x", "definitions": {"x": {}}})")}};
  const Json answer = {{"type", "integer"}};
  const auto schema = JsonSchema::Compile(MoveSchema(tools, answer).schema);
  ASSERT_TRUE(schema.ok()) << schema.status();
  const auto fits = [&](const char* text) { return schema->Validate(Json::parse(text)).ok(); };
  EXPECT_TRUE(fits(R"({"thought": "", "action": "add", "arguments": {"n": 1}})"));
  EXPECT_TRUE(fits(R"({"thought": "", "action": "odd", "arguments": {}})"));
  EXPECT_TRUE(fits(R"({"thought": "", "final": 3})"));
  EXPECT_FALSE(fits(R"({"thought": "", "action": "add", "arguments": {"n": "1"}})"));
  EXPECT_FALSE(fits(R"({"thought": "", "action": "none", "arguments": {}})"));
  EXPECT_FALSE(fits(R"({"thought": "", "final": "3"})"));
  EXPECT_FALSE(fits(R"({"thought": "", "final": 3, "action": "odd", "arguments": {}})"));
}

TEST(MoveTest, RepliesThatAreCutOffOrEmptyAreNoAnswers) {
  ChatReply cut = Says("The answer is 4");
  cut.finish = FinishReason::kLength;
  EXPECT_THAT(NativeMove(cut).problem, HasSubstr("limit of tokens"));
  EXPECT_THAT(JsonMove(cut).problem, HasSubstr("limit of tokens"));
  EXPECT_THAT(NativeMove(Says("")).problem, HasSubstr("empty"));
  EXPECT_TRUE(NativeMove(Says("42")).is_answer);
}

TEST(ProgressTest, OnlyWhatIsNewCounts) {
  Progress progress;
  const auto round = [&](int number, const char* arguments, const char* result, bool failed) {
    const int before = progress.NoteCall(number, "t", Json::parse(arguments), result, failed);
    progress.EndRound();
    return before;
  };
  EXPECT_EQ(round(1, R"({"a": 1, "b": 2})", "x", false), 0);
  EXPECT_EQ(progress.idle_rounds(), 0);
  EXPECT_EQ(round(2, R"({"b": 2, "a": 1})", "x", false), 1);  // the order of keys is nothing new
  EXPECT_EQ(progress.idle_rounds(), 1);
  EXPECT_EQ(round(3, R"({"a": 1, "b": 2})", "y", false), 0);  // but another result is
  EXPECT_EQ(progress.idle_rounds(), 0);
  EXPECT_EQ(round(4, R"({"a": 3})", "no such file", true), 0);
  EXPECT_EQ(progress.idle_rounds(), 0);
  EXPECT_EQ(round(5, R"({"a": 4})", "no such file", true), 0);  // the same error by other arguments
  EXPECT_EQ(progress.idle_rounds(), 1);
  progress.EndRound();  // a round without calls
  EXPECT_EQ(progress.idle_rounds(), 2);
  progress.NoteNews();
  progress.EndRound();
  EXPECT_EQ(progress.idle_rounds(), 0);
}

TEST(ProgressTest, CallsSideBySideAreNotBeforeEachOther) {
  Progress progress;
  EXPECT_EQ(progress.NoteCall(1, "t", {}, "x", false), 0);
  EXPECT_EQ(progress.NoteCall(1, "t", {}, "x", false), 0);
  progress.EndRound();
  EXPECT_EQ(progress.NoteCall(2, "t", {}, "x", false), 1);
}

TEST(ResultsTest, ShowsLongOnesInPartAndTheRestWhenAsked) {
  Results results(300);
  EXPECT_EQ(results.Keep("1.1", "short"), "short");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "line " + std::to_string(i) + " \xc3\xa4\n";
  const std::string shown = results.Keep("2.1", text);
  EXPECT_LT(shown.size(), 600u);
  EXPECT_THAT(shown, HasSubstr("Result 2.1 has"));
  EXPECT_THAT(shown, HasSubstr("line 199"));
  // Piece by piece, all of it can be read, and no character is cut in two.
  std::string read;
  while (read.size() < text.size()) {
    const std::string part = results.Read({{"id", "2.1"}, {"from", read.size()}});
    read += part.substr(0, part.rfind("\n[Bytes"));
  }
  EXPECT_EQ(read, text);
  EXPECT_THAT(results.Read({{"id", "2.1"}, {"find", "LINE 77 "}}), HasSubstr("[1 places"));
  EXPECT_THAT(results.Read({{"id", "2.1"}, {"find", "line"}}), HasSubstr("200 places"));
  EXPECT_THAT(results.Read({{"id", "2.1"}, {"find", "none"}}), HasSubstr("does not occur"));
  EXPECT_THAT(results.Read({{"id", "2.1"}, {"from", text.size()}}), HasSubstr("The call failed"));
  EXPECT_THAT(results.Read({{"id", "9.9"}}), HasSubstr("There are: 1.1, 2.1."));
}

}  // namespace
}  // namespace troupe
