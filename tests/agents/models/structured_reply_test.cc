#include "agents/models/structured_reply.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace troupe {
namespace {

const ReplySchema kSchema = {
    "answer",
    {{"type", "object"}, {"required", {"x"}}, {"properties", {{"x", {{"type", "integer"}}}}}}};

ChatReply Saying(const std::string& text) {
  ChatReply reply;
  reply.message = AssistantMessage(text);
  return reply;
}

TEST(StructuredReplyTest, TakesJsonAloneOrInOneFence) {
  for (const char* text :
       {R"({"x": 1})", "  {\"x\": 1}\n", "```json\n{\"x\": 1}\n```", "```\n{\"x\": 1}\n```\n"}) {
    const auto value = ParseStructuredReply(Saying(text), kSchema);
    ASSERT_TRUE(value.ok()) << text << ": " << value.status();
    EXPECT_EQ((*value)["x"], 1);
  }
}

TEST(StructuredReplyTest, RefusesAnythingElseInWordsThatHelp) {
  const std::map<std::string, std::string> wrong = {{"Sure! {\"x\": 1}", "not JSON"},
                                                    {"", "not JSON"},
                                                    {"```", "not JSON"},
                                                    {"```json\n{\"x\": 1}", "not JSON"},
                                                    {"{\"x\": \"one\"}", "x"},
                                                    {"{}", "x"},
                                                    {"[1]", "fit"}};
  for (const auto& [text, word] : wrong) {
    const auto value = ParseStructuredReply(Saying(text), kSchema);
    EXPECT_EQ(ReasonOf(value.status()), Reason::kModelBadReply) << text;
    EXPECT_NE(MessageOf(value.status()).find(word), std::string_view::npos) << value.status();
  }
}

TEST(StructuredReplyTest, CutOffReplyIsToldSo) {
  ChatReply reply = Saying("{\"x\": 1");
  reply.finish = FinishReason::kLength;
  const auto value = ParseStructuredReply(reply, kSchema);
  EXPECT_NE(MessageOf(value.status()).find("token limit"), std::string_view::npos);
}

TEST(StructuredReplyTest, RepairShowsTheReplyTheFaultAndTheSchema) {
  ChatRequest request;
  request.messages = {UserMessage("give x")};
  request.reply_schema = kSchema;
  const ChatReply reply = Saying("{}");
  const ChatRequest repair =
      RepairRequest(request, reply, ParseStructuredReply(reply, kSchema).status());
  ASSERT_EQ(repair.messages.size(), 3u);
  EXPECT_EQ(repair.messages.InOrder()[1]->text(), "{}");
  EXPECT_NE(repair.messages.back().text().find("\"required\":[\"x\"]"), std::string::npos);
}

}  // namespace
}  // namespace troupe
