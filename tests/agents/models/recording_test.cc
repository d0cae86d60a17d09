#include "agents/models/recording.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

// Answers with a text, a tool call, and a call whose arguments are not JSON.
class TalkativeModel : public ChatModel {
 public:
  const std::string& name() const override { return name_; }
  const ModelCapabilities& capabilities() const override { return can_; }
  CostEstimate Estimate(const ChatRequest&) const override { return {}; }
  Async<ChatReply> Complete(ChatCallPtr) override {
    ChatReply reply;
    reply.message = AssistantMessage("said \"aloud\"\nin two lines");
    reply.message.tool_uses = {{"1", "f", {{"x", 1}}, ""}, {"2", "g", nullptr, "{\"y\":"}};
    reply.finish = FinishReason::kToolUse;
    reply.usage = {12, 0, 34, 0, false};
    co_return reply;
  }

 private:
  const std::string name_ = "talkative";
  ModelCapabilities can_;
};

ModelConfig Recorded(const std::filesystem::path& file) {
  ModelConfig config;
  config.name = "recorded";
  config.recording = file.string();
  return config;
}

ChatCallPtr At(const std::string& role, const std::string& path, int64_t order = 0) {
  auto call = std::make_shared<ChatCall>();
  call->context.role = role;
  call->context.path = path;
  call->context.role_order = order;
  return call;
}

TEST(RecordingTest, WhatWasRecordedIsAnsweredAgain) {
  const TempFolder folder;
  const auto file = folder.path() / "r.jsonl";
  auto recording = RecordingModel::Open(std::make_unique<TalkativeModel>(), file.string());
  ASSERT_TRUE(recording.ok()) << recording.status();
  const auto said = RunToEnd((*recording)->Complete(At("planner", "plan/propose")));
  ASSERT_TRUE(said.ok());
  const auto recorded = RecordedModel::Load(Recorded(file));
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  const auto again = RunToEnd((*recorded)->Complete(At("planner", "plan/propose")));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->message.text(), said->message.text());
  ASSERT_EQ(again->message.tool_uses.size(), 2u);
  EXPECT_EQ(again->message.tool_uses[0].arguments, said->message.tool_uses[0].arguments);
  EXPECT_TRUE(again->message.tool_uses[1].arguments.is_null());
  EXPECT_EQ(again->message.tool_uses[1].malformed_arguments, "{\"y\":");
  EXPECT_EQ(again->usage.output_tokens, 34);
  EXPECT_EQ(again->finish, FinishReason::kToolUse);
}

TEST(RecordingTest, RepliesOfARoleComeInOrderAndThenAreExhausted) {
  const TempFolder folder;
  const auto file = folder.path() / "r.jsonl";
  std::ofstream(file) << R"({"role": "p", "reply": {"text": "one"}})"
                      << "\n\n"
                      << R"({"role": "p", "reply": {"text": "two"}})"
                      << "\n"
                      << R"({"role": "p", "path": "b", "reply": {"text": "at b"}})"
                      << "\n";
  const auto model = RecordedModel::Load(Recorded(file));
  ASSERT_TRUE(model.ok()) << model.status();
  const auto ask = [&](const std::string& path, int64_t order) {
    return RunToEnd((*model)->Complete(At("p", path, order)));
  };
  EXPECT_EQ(ask("a", 0)->message.text(), "one");
  EXPECT_EQ(ask("a", 1)->message.text(), "two");
  EXPECT_EQ(ask("b", 5)->message.text(), "at b");
  EXPECT_EQ(ask("a", 0)->message.text(), "one") << "a task that runs again gets the same replies";
  EXPECT_EQ(ReasonOf(ask("a", 2).status()), Reason::kRecordingExhausted);
}

TEST(RecordingTest, MalformedRecordingNamesFileAndLine) {
  const TempFolder folder;
  const auto file = folder.path() / "r.jsonl";
  for (const char* line : {"{", "[]", R"({"role": "p"})", R"({"role": "p", "reply": 3})",
                           R"({"role": 1, "reply": {}})"}) {
    std::ofstream(file) << "\n" << line << "\n";
    const auto model = RecordedModel::Load(Recorded(file));
    EXPECT_EQ(ReasonOf(model.status()), Reason::kInvalidField) << line;
    EXPECT_NE(MessageOf(model.status()).find("r.jsonl:2"), std::string_view::npos) << line;
  }
  EXPECT_FALSE(RecordedModel::Load(Recorded(folder.path() / "absent.jsonl")).ok());
}

}  // namespace
}  // namespace troupe
