#include "clients/cpp/live_tree.h"

#include <gtest/gtest.h>

#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

constexpr int64_t kSecond = 1'000'000;

// A task's events by hand; times are seconds since 1970.
class LiveTreeTest : public testing::Test {
 protected:
  v1::Span Begin(const std::string& path, const std::string& type, const std::string& title,
                 v1::Span::Kind kind = v1::Span::KIND_SPAN, int64_t second = 100) {
    v1::Span span;
    span.set_path(path);
    span.set_type(type);
    span.set_title(title);
    span.set_kind(kind);
    span.set_state(v1::Span::STATE_RUNNING);
    span.mutable_begin_time()->set_seconds(second);
    v1::WatchTaskResponse event;
    *event.mutable_span_started()->mutable_span() = span;
    tree_.Take(event);
    return span;
  }

  void End(v1::Span span, int64_t tokens = 0, double score = -1, const std::string& error = "") {
    span.set_state(error.empty() ? v1::Span::STATE_OK : v1::Span::STATE_ERROR);
    span.mutable_end_time()->set_seconds(span.begin_time().seconds() + 2);
    span.mutable_usage()->set_model_calls(tokens > 0 ? 1 : 0);
    span.mutable_usage()->set_input_tokens(tokens);
    span.mutable_usage()->set_cost_microusd(tokens * 100);
    if (!error.empty()) span.mutable_error()->set_message(error);
    if (score >= 0) (*span.mutable_attributes()->mutable_fields())["score"].set_number_value(score);
    v1::WatchTaskResponse event;
    *event.mutable_span_ended()->mutable_span() = span;
    tree_.Take(event);
  }

  void State(v1::Task::State state) {
    v1::WatchTaskResponse event;
    event.mutable_state_changed()->set_state(state);
    tree_.Take(event);
  }

  std::string Shown(int width = 0, int height = 0) const {
    std::string text;
    for (const LiveTree::Line& line : tree_.Draw(110 * kSecond, width, height)) {
      text += line.text + "\n";
    }
    return text;
  }

  LiveTree tree_{"tasks/t"};
};

TEST_F(LiveTreeTest, ShowsNothingBeforeTheFirstEvent) { EXPECT_EQ(Shown(), ""); }

TEST_F(LiveTreeTest, SumsWhatRunsAndFoldsWhatEnded) {
  State(v1::Task::STATE_RUNNING);
  Begin("", "cellagent", "Do it");
  const v1::Span step = Begin("step:1", "step", "Cluster");
  const v1::Span trial = Begin("step:1/trial:1", "trial", "leiden");
  End(Begin("step:1/trial:1/judge", "chat", "judge", v1::Span::KIND_MODEL_CALL), 40);
  Begin("step:1/trial:1/now", "clock", "", v1::Span::KIND_CLOCK);
  EXPECT_EQ(Shown(),
            "tasks/t  RUNNING  0:10  1 model call, 0 tool calls, 40 + 0 tokens, $0.0040\n"
            "  > step Cluster  10.0 s  40+0 tokens $0.0040\n"
            "    > trial leiden  10.0 s  40+0 tokens $0.0040\n"
            "      + chat judge  2.0 s  40+0 tokens $0.0040\n");
  End(Begin("step:1/trial:1/run", "python", "run", v1::Span::KIND_TOOL_CALL), 0, -1, "it\nbroke");
  End(trial, 40, 8.5);
  EXPECT_EQ(Shown(),
            "tasks/t  RUNNING  0:10  1 model call, 0 tool calls, 40 + 0 tokens, $0.0040\n"
            "  > step Cluster  10.0 s  40+0 tokens $0.0040\n"
            "    + trial leiden  2.0 s  40+0 tokens $0.0040  score 8.5\n"
            "      ! python run  2.0 s  it broke\n");
}

TEST_F(LiveTreeTest, FitsTheTerminal) {
  State(v1::Task::STATE_RUNNING);
  Begin("", "cellagent", "Do it");
  for (int i = 1; i <= 5; ++i) {
    const std::string path = "step:" + std::to_string(i);
    const v1::Span step = Begin(path, "step", "a title that is long");
    End(Begin(path + "/trial:1", "trial", ""));
    if (i < 5) End(step);
  }
  // All eleven lines; then without trials of the steps that ended; then without the first steps.
  EXPECT_EQ(tree_.Draw(110 * kSecond, 0, 11).size(), 11u);
  const auto folded = tree_.Draw(110 * kSecond, 0, 10);
  EXPECT_EQ(folded.size(), 7u);
  EXPECT_EQ(folded[6].text, "    + trial  2.0 s");
  const auto cut = tree_.Draw(110 * kSecond, 20, 3);
  ASSERT_EQ(cut.size(), 3u);
  EXPECT_EQ(cut[0].text, "tasks/t  RUNNING ...");
  EXPECT_EQ(cut[1].text, "  > step a title ...");
  EXPECT_EQ(cut[2].text, "    + trial  2.0 s");
}

TEST_F(LiveTreeTest, ShowsQuestionsUntilTheyAreAnswered) {
  State(v1::Task::STATE_INPUT_REQUIRED);
  v1::WatchTaskResponse event;
  event.mutable_question_asked()->set_name("tasks/t/questions/7");
  event.mutable_question_asked()->set_prompt("Which tissue?");
  tree_.Take(event);
  EXPECT_NE(Shown().find("? Which tissue?\n  answer with: troupe respond tasks/t/questions/7 TEXT"),
            std::string::npos);
  v1::WatchTaskResponse answer;
  answer.mutable_question_answered()->set_name("tasks/t/questions/7");
  tree_.Take(answer);
  EXPECT_EQ(Shown().find("Which tissue?"), std::string::npos);
}

TEST_F(LiveTreeTest, ShowsTheExactCallThatWaitsForApproval) {
  State(v1::Task::STATE_INPUT_REQUIRED);
  v1::Span span = Begin("call.approval", "approval", "May it?", v1::Span::KIND_QUESTION);
  span.set_begin_sequence(7);
  v1::WatchTaskResponse began;
  *began.mutable_span_started()->mutable_span() = span;
  tree_.Take(began);
  v1::WatchTaskResponse event;
  event.mutable_question_asked()->set_name("tasks/t/questions/7");
  event.mutable_question_asked()->set_prompt(
      "May it?\n{\n  \"path\": \"/a/long/path/to/a/file\"\n}");
  tree_.Take(event);
  // Broken, not cut.
  EXPECT_NE(Shown(30).find("? May it?\n  {\n    \"path\": \"/a/long/path/to/a\n  /file\"\n  }\n"),
            std::string::npos)
      << Shown(30);
  EXPECT_NE(Shown().find("troupe respond tasks/t/questions/7 --approve  (or --deny REASON"),
            std::string::npos);
  // A call that fills the screen leaves room for how to answer.
  const auto small = tree_.Draw(110 * kSecond, 30, 7);
  ASSERT_GE(small.size(), 2u);
  EXPECT_EQ(small[small.size() - 2].text, "  ... (all of it: troupe sh...");
  EXPECT_EQ(small.back().text, "  answer with: troupe respo...");
}

// What models and tools write must not steer the terminal of the person who reads it.
TEST(RenderTest, TakesControlCharactersOut) {
  EXPECT_EQ(Printable("a\x1b]0;title\x07z\tb\nc\x7f\xc2\x9b"
                      "2J\xc3\xa4"),
            "a ]0;title z\tb\nc  2J\xc3\xa4");
  EXPECT_EQ(OneLine("one\ntwo\xc3\xa4\xc3\xa4\xc3\xa4", 9), "one tw...");
  EXPECT_EQ(OneLine("\xc3\xa4\xc3\xa4\xc3\xa4", 3), "\xc3\xa4\xc3\xa4\xc3\xa4");
}

}  // namespace
}  // namespace troupe::client
