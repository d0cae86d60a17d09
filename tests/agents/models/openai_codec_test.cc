#include "agents/models/openai_codec.h"

#include <gtest/gtest.h>

#include "tests/support/json_mutations.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

ModelConfig OpenAi() {
  ModelConfig config;
  config.name = "m";
  config.model = "backend-name";
  config.capabilities.logprobs = true;
  config.price = {1'000'000, 100'000, 2'000'000};  // 1, 0.1 and 2 dollars for a million tokens
  return config;
}

const Json kOpenAiReply = {
    {"id", "r1"},
    {"choices",
     {{{"index", 0},
       {"finish_reason", "tool_calls"},
       {"message",
        {{"role", "assistant"},
         {"content", "I look it up."},
         {"tool_calls",
          {{{"id", "c1"},
            {"type", "function"},
            {"function", {{"name", "look_up"}, {"arguments", R"({"word":"troupe"})"}}}}}}}},
       {"logprobs",
        {{"content",
          {{{"token", "I"},
            {"logprob", -0.1},
            {"top_logprobs", {{{"token", "We"}, {"logprob", -2.5}}}}}}}}}}}},
    {"usage",
     {{"prompt_tokens", 100},
      {"completion_tokens", 10},
      {"prompt_tokens_details", {{"cached_tokens", 40}}},
      {"completion_tokens_details", {{"reasoning_tokens", 4}}}}}};

TEST(OpenAiCodecTest, ReadsToolCallsLogprobsUsageAndCost) {
  const auto reply = DecodeOpenAiReply(kOpenAiReply.dump(), ChatRequest(), OpenAi());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->message.text(), "I look it up.");
  ASSERT_EQ(reply->message.tool_uses.size(), 1u);
  EXPECT_EQ(reply->message.tool_uses[0].arguments["word"], "troupe");
  EXPECT_EQ(reply->finish, FinishReason::kToolUse);
  ASSERT_EQ(reply->logprobs.size(), 1u);
  EXPECT_EQ(reply->logprobs[0].alternatives[0].first, "We");
  EXPECT_EQ(reply->usage.cached_input_tokens, 40);
  EXPECT_EQ(reply->usage.reasoning_tokens, 4);
  EXPECT_EQ(reply->cost_microusd, 60 + 4 + 20);
}

TEST(OpenAiCodecTest, NamesWithDotsGoWithoutThem) {
  ChatRequest request;
  request.tools.push_back({"files.read", "Reads.", {{"type", "object"}}});
  request.tool_choice = "files.read";
  Message called = AssistantMessage("");
  called.tool_uses.push_back({"c1", "files.read", Json::object(), ""});
  request.messages.push_back(called);
  const Json body = Json::parse(EncodeOpenAiRequest(request, OpenAi(), false).view());
  EXPECT_EQ(body["tools"][0]["function"]["name"], "files__read");
  EXPECT_EQ(body["tool_choice"]["function"]["name"], "files__read");
  EXPECT_EQ(body["messages"][0]["tool_calls"][0]["function"]["name"], "files__read");
  Json reply = kOpenAiReply;
  reply["choices"][0]["message"]["tool_calls"][0]["function"]["name"] = "files__read";
  const auto decoded = DecodeOpenAiReply(reply.dump(), request, OpenAi());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->message.tool_uses[0].name, "files.read");
}

TEST(OpenAiCodecTest, ArgumentsThatAreNotJsonAreKeptAsText) {
  Json reply = kOpenAiReply;
  reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "{\"word\": ";
  const auto decoded = DecodeOpenAiReply(reply.dump(), ChatRequest(), OpenAi());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->message.tool_uses[0].arguments.is_null());
  EXPECT_EQ(decoded->message.tool_uses[0].malformed_arguments, "{\"word\": ");
}

TEST(OpenAiCodecTest, MissingUsageIsEstimatedAndMarked) {
  Json reply = kOpenAiReply;
  reply.erase("usage");
  const auto decoded = DecodeOpenAiReply(reply.dump(), ChatRequest(), OpenAi());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->usage.estimated);
  EXPECT_GT(decoded->usage.output_tokens, 0);
}

TEST(OpenAiCodecTest, AnyShapeOfReplyIsAReplyOrABadReply) {
  int good = 0;
  int bad = 0;
  ForEachMutation(kOpenAiReply, [&](const Json& changed) {
    const auto reply = DecodeOpenAiReply(DumpJson(changed), ChatRequest(), OpenAi());
    ++(reply.ok() ? good : bad);
    if (!reply.ok()) {
      EXPECT_EQ(ReasonOf(reply.status()), Reason::kModelBadReply);
    }
  });
  EXPECT_GT(good, 0);
  EXPECT_GT(bad, 0);
}

TEST(OpenAiCodecTest, WritesWhatTheDialectTakes) {
  ChatRequest request;
  Message look = UserMessage("look");
  look.parts.push_back(ImagePart{"image/png", "\x89PNG"});
  request.messages = {SystemMessage("be brief"), look};
  request.reply_schema = ReplySchema{"answer", {{"type", "object"}}};
  request.seed = 7;
  request.max_tokens = 12;
  ModelConfig config = OpenAi();
  Json body = Json::parse(EncodeOpenAiRequest(request, config, true).view());
  EXPECT_EQ(body["messages"][0]["content"], "be brief");
  EXPECT_EQ(body["messages"][1]["content"][1]["image_url"]["url"],
            "data:image/png;base64,iVBORw==");
  EXPECT_EQ(body["response_format"]["json_schema"]["name"], "answer");
  EXPECT_EQ(body["max_tokens"], 12);
  EXPECT_EQ(body["seed"], 7);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  config.schema_dialect = SchemaDialect::kLlamaCpp;
  config.token_limit_field = "max_completion_tokens";
  config.capabilities.seed = false;
  body = Json::parse(EncodeOpenAiRequest(request, config, false).view());
  EXPECT_EQ(body["response_format"]["schema"]["type"], "object");
  EXPECT_EQ(body["max_completion_tokens"], 12);
  EXPECT_FALSE(body.contains("seed"));
  EXPECT_FALSE(body.contains("stream"));
  config.schema_dialect = SchemaDialect::kNone;
  EXPECT_FALSE(
      Json::parse(EncodeOpenAiRequest(request, config, false).view()).contains("response_format"));
}

// The events of one streamed reply with two tool calls that come in pieces.
std::vector<Json> OpenAiEvents() {
  const auto event = [](Json delta) {
    return Json{{"id", "s1"}, {"choices", Json::array({{{"delta", std::move(delta)}}})}};
  };
  const auto call = [](int index, Json part) {
    part["index"] = index;
    return Json{{"tool_calls", Json::array({std::move(part)})}};
  };
  std::vector<Json> events;
  events.push_back(event({{"role", "assistant"}, {"content", "Two "}}));
  events.push_back(event({{"content", "calls."}}));
  events.push_back(event(call(0, {{"id", "a"}, {"function", {{"name", "f"}, {"arguments", ""}}}})));
  events.push_back(event(call(1, {{"id", "b"}, {"function", {{"name", "g"}}}})));
  events.push_back(event(call(0, {{"function", {{"arguments", "{\"x\":"}}}})));
  events.push_back(event(call(1, {{"function", {{"arguments", "{}"}}}})));
  events.push_back(event(call(0, {{"function", {{"arguments", "1}"}}}})));
  events.push_back(
      {{"choices", Json::array({{{"delta", nullptr}, {"finish_reason", "tool_calls"}}})}});
  events.push_back(
      {{"choices", Json::array()}, {"usage", {{"prompt_tokens", 5}, {"completion_tokens", 6}}}});
  return events;
}

TEST(OpenAiStreamTest, PutsPiecesTogether) {
  const ModelConfig config = OpenAi();
  std::string shown;
  OpenAiStream stream(config, [&](std::string_view piece) { shown += piece; });
  for (const Json& event : OpenAiEvents()) ASSERT_TRUE(stream.Take(event.dump()).ok());
  const auto reply = stream.Finish(ChatRequest());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(shown, "Two calls.");
  EXPECT_EQ(reply->message.text(), shown);
  ASSERT_EQ(reply->message.tool_uses.size(), 2u);
  EXPECT_EQ(reply->message.tool_uses[0].arguments["x"], 1);
  EXPECT_EQ(reply->message.tool_uses[1].name, "g");
  EXPECT_EQ(reply->usage.output_tokens, 6);
}

TEST(OpenAiStreamTest, StreamThatBreaksOffIsABadReply) {
  const ModelConfig config = OpenAi();
  OpenAiStream stream(config, nullptr);
  ASSERT_TRUE(stream.Take(OpenAiEvents()[0].dump()).ok());
  EXPECT_EQ(ReasonOf(stream.Finish(ChatRequest()).status()), Reason::kModelBadReply);
}

TEST(OpenAiStreamTest, AnyShapeOfEventIsTakenOrRefused) {
  const ModelConfig config = OpenAi();
  for (const Json& event : OpenAiEvents()) {
    ForEachMutation(event, [&](const Json& changed) {
      OpenAiStream stream(config, nullptr);
      if (stream.Take(DumpJson(changed)).ok() && stream.Take("[DONE]").ok()) {
        EXPECT_TRUE(stream.Finish(ChatRequest()).ok());
      }
    });
  }
}

// What was printed for the request before is taken over, also where two go on from the same one.
TEST(OpenAiCodecTest, PrintsAConversationThatGrowsAsItPrintsANewOne) {
  const auto said = [](int number) {
    Message answer;
    answer.role = MessageRole::kTool;
    answer.parts.push_back(TextPart{"\"quoted\" answer"});
    answer.tool_use_id = std::to_string(number);
    if (number % 5 == 3) return answer;
    return number % 2 == 0 ? UserMessage("question\n" + std::to_string(number))
                           : AssistantMessage("answer " + std::to_string(number));
  };
  const auto print = [](const Conversation& messages) {
    ChatRequest request;
    request.messages = messages;
    return std::string(EncodeOpenAiRequest(request, OpenAi(), false).view());
  };
  Conversation growing;
  Conversation branch;
  for (int length = 1; length <= 30; ++length) {
    growing.push_back(said(length));
    if (length == 20) branch = growing;
    Conversation fresh;
    for (int i = 1; i <= length; ++i) fresh.push_back(said(i));
    EXPECT_EQ(print(growing), print(fresh)) << length;
    EXPECT_EQ(print(growing), print(fresh)) << length << " once more";
  }
  branch.push_back(said(100));
  Conversation fresh;
  for (int i = 1; i <= 20; ++i) fresh.push_back(said(i));
  fresh.push_back(said(100));
  EXPECT_EQ(print(branch), print(fresh));
  growing.pop_back();
  EXPECT_EQ(Json::parse(print(growing))["messages"].size(), 29u);
}

}  // namespace
}  // namespace troupe
