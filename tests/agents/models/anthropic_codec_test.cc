#include "agents/models/anthropic_codec.h"

#include <gtest/gtest.h>

#include "tests/support/json_mutations.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

ModelConfig Config() {
  ModelConfig config;
  config.name = "m";
  config.model = "backend-name";
  return config;
}

ChatRequest WithSchema() {
  ChatRequest request;
  request.messages = {SystemMessage("be brief"), UserMessage("first"), UserMessage("second")};
  request.reply_schema = ReplySchema{"answer", {{"type", "object"}}};
  return request;
}

const Json kReply = {
    {"id", "m1"},
    {"type", "message"},
    {"content",
     {{{"type", "text"}, {"text", "Here: "}},
      {{"type", "tool_use"}, {"id", "u1"}, {"name", "answer"}, {"input", {{"x", 1}}}}}},
    {"stop_reason", "tool_use"},
    {"usage", {{"input_tokens", 10}, {"cache_read_input_tokens", 90}, {"output_tokens", 5}}}};

TEST(AnthropicCodecTest, SchemaBecomesAToolWhoseInputIsTheReply) {
  const Json body = EncodeAnthropicRequest(WithSchema(), Config(), false);
  EXPECT_EQ(body["system"], "be brief");
  EXPECT_EQ(body["tools"][0]["name"], "answer");
  EXPECT_EQ(body["tool_choice"], (Json{{"type", "tool"}, {"name", "answer"}}));
  const auto reply = DecodeAnthropicReply(kReply, WithSchema(), Config());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->message.text(), R"({"x":1})");
  EXPECT_TRUE(reply->message.tool_uses.empty());
  EXPECT_EQ(reply->finish, FinishReason::kStop);
}

TEST(AnthropicCodecTest, WithoutASchemaAToolUseIsOne) {
  const auto reply = DecodeAnthropicReply(kReply, ChatRequest(), Config());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->message.text(), "Here: ");
  ASSERT_EQ(reply->message.tool_uses.size(), 1u);
  EXPECT_EQ(reply->message.tool_uses[0].arguments["x"], 1);
  EXPECT_EQ(reply->finish, FinishReason::kToolUse);
}

TEST(AnthropicCodecTest, CachedTokensAreInputTokensToo) {
  const auto reply = DecodeAnthropicReply(kReply, ChatRequest(), Config());
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->usage.input_tokens, 100);
  EXPECT_EQ(reply->usage.cached_input_tokens, 90);
}

TEST(AnthropicCodecTest, MessagesOfOneRoleInARowAreJoined) {
  ChatRequest request = WithSchema();
  Message answer;
  answer.role = MessageRole::kTool;
  answer.tool_use_id = "u1";
  answer.parts = {TextPart{"42"}};
  request.messages.push_back(answer);
  const Json body = EncodeAnthropicRequest(request, Config(), false);
  ASSERT_EQ(body["messages"].size(), 1u);
  EXPECT_EQ(body["messages"][0]["role"], "user");
  ASSERT_EQ(body["messages"][0]["content"].size(), 3u);
  EXPECT_EQ(body["messages"][0]["content"][2]["type"], "tool_result");
}

TEST(AnthropicCodecTest, AnEmptyReplyIsLeftOut) {
  ChatRequest request;
  request.messages = {UserMessage("first"), AssistantMessage(""), UserMessage("say something")};
  const Json body = EncodeAnthropicRequest(request, Config(), false);
  ASSERT_EQ(body["messages"].size(), 1u);
  EXPECT_EQ(body["messages"][0]["content"].size(), 2u);
}

TEST(AnthropicCodecTest, UsageThatIsNotToldIsEstimated) {
  Json untold = kReply;
  untold.erase("usage");
  const auto reply = DecodeAnthropicReply(untold, WithSchema(), Config());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->usage.estimated);
  EXPECT_GT(reply->usage.input_tokens, 0);
  EXPECT_GT(reply->usage.output_tokens, 0);
}

TEST(AnthropicCodecTest, AnyShapeOfReplyIsAReplyOrABadReply) {
  ForEachMutation(kReply, [&](const Json& changed) {
    const auto reply = DecodeAnthropicReply(changed, WithSchema(), Config());
    if (!reply.ok()) {
      EXPECT_EQ(ReasonOf(reply.status()), Reason::kModelBadReply);
    }
  });
}

std::vector<Json> Events() {
  return {{{"type", "message_start"},
           {"message", {{"id", "m1"}, {"usage", {{"input_tokens", 3}, {"output_tokens", 1}}}}}},
          {{"type", "content_block_start"},
           {"index", 0},
           {"content_block", {{"type", "text"}, {"text", ""}}}},
          {{"type", "content_block_delta"},
           {"index", 0},
           {"delta", {{"type", "text_delta"}, {"text", "Well. "}}}},
          {{"type", "content_block_start"},
           {"index", 1},
           {"content_block", {{"type", "tool_use"}, {"id", "u"}, {"name", "f"}}}},
          {{"type", "content_block_delta"},
           {"index", 1},
           {"delta", {{"type", "input_json_delta"}, {"partial_json", "{\"x\":"}}}},
          {{"type", "content_block_delta"},
           {"index", 1},
           {"delta", {{"type", "input_json_delta"}, {"partial_json", "2}"}}}},
          {{"type", "message_delta"},
           {"delta", {{"stop_reason", "tool_use"}}},
           {"usage", {{"output_tokens", 9}}}},
          {{"type", "message_stop"}}};
}

SseEvent AsEvent(const Json& data) {
  SseEvent event;
  event.name = JsonString(data, "type");
  event.data = DumpJson(data);
  return event;
}

TEST(AnthropicStreamTest, PutsPiecesTogether) {
  const ModelConfig config = Config();
  std::string shown;
  AnthropicStream stream(config, [&](std::string_view piece) { shown += piece; });
  for (const Json& event : Events()) ASSERT_TRUE(stream.Take(AsEvent(event)).ok());
  const auto reply = stream.Finish(ChatRequest());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(shown, "Well. ");
  EXPECT_EQ(reply->message.tool_uses.at(0).arguments["x"], 2);
  EXPECT_EQ(reply->usage.input_tokens, 3);
  EXPECT_EQ(reply->usage.output_tokens, 9);
}

TEST(AnthropicStreamTest, ErrorEventIsAnOverload) {
  const ModelConfig config = Config();
  AnthropicStream stream(config, nullptr);
  const absl::Status status = stream.Take(
      AsEvent({{"type", "error"}, {"error", {{"type", "overloaded_error"}, {"message", "busy"}}}}));
  EXPECT_EQ(ReasonOf(status), Reason::kModelUnavailable);
  EXPECT_NE(MessageOf(status).find("busy"), std::string_view::npos);
}

TEST(AnthropicStreamTest, AnyShapeOfEventIsTakenOrRefused) {
  const ModelConfig config = Config();
  const std::vector<Json> events = Events();
  for (size_t at = 0; at < events.size(); ++at) {
    ForEachMutation(events[at], [&](const Json& changed) {
      AnthropicStream stream(config, nullptr);
      absl::Status status;
      for (size_t i = 0; i < events.size() && status.ok(); ++i) {
        SseEvent event = AsEvent(events[i]);
        if (i == at) event.data = DumpJson(changed);
        status = stream.Take(event);
      }
      if (status.ok()) (void)stream.Finish(ChatRequest());
    });
  }
}

}  // namespace
}  // namespace troupe
