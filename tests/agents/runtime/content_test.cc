// What is stored of requests and replies.
#include "agents/runtime/content.h"

#include <gtest/gtest.h>

#include <map>

#include "agents/runtime/text.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

// The hash of a root names it for ever: it must be the text of the value, whoever prints it.
void ExpectPrintedAsJson(const StoredValue& stored) {
  const auto value = ParseJson(stored.root_bytes, "the root");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(stored.root_bytes, DumpJson(*value));
}

ChatRequest FullRequest() {
  ChatRequest request;
  request.messages = {SystemMessage("Be brief."), UserMessage("Say \"hi\".")};
  request.tools.push_back({"list", "Lists.", Json::object()});
  request.tool_choice = "auto";
  request.reply_schema = ReplySchema{"answer", {{"type", "object"}}};
  request.temperature = 0.7;
  request.top_p = 0.1;
  request.max_tokens = 100;
  request.seed = 42;
  request.stop = {"\n", "END"};
  request.top_logprobs = 3;
  return request;
}

TEST(ContentTest, ARequestIsPrintedAsItsValue) {
  const IsStoredFn none = [](const Hash&) { return false; };
  const StoredValue full = StoreChatRequest(FullRequest(), "a \"role\"", none);
  ExpectPrintedAsJson(full);
  EXPECT_EQ(ParseJson(full.root_bytes, "root")->size(), 11u);
  EXPECT_EQ(full.contents.size(), 4u);
  ChatRequest plain;
  plain.messages = {UserMessage("Hello.")};
  const StoredValue stored = StoreChatRequest(plain, "r", none);
  ExpectPrintedAsJson(stored);
  EXPECT_EQ(stored.root_bytes,
            R"({"messages":")" + plain.messages.stored_hash().hex() + R"(","role":"r"})");
}

TEST(ContentTest, AReplyIsPrintedAsItsValueAndReadBack) {
  ChatReply reply;
  reply.message = AssistantMessage("Well \"said\", \xc3\xa9.");
  reply.finish = FinishReason::kLength;
  reply.usage = {10, 4, 20, 5, true};
  reply.cost_microusd = 7;
  reply.model = "m";
  reply.response_id = "id-1";
  reply.logprobs = {{"Well", -0.5, {{"Now", -1.25}}}};
  reply.attempts = 2;
  const StoredValue full = StoreChatReply(reply);
  ExpectPrintedAsJson(full);
  const ReadContentFn read = [&](const Hash& hash) -> absl::StatusOr<std::string> {
    EXPECT_EQ(hash.hex(), full.root.hex());
    return full.root_bytes;
  };
  const auto loaded = LoadChatReply(full.root, read);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->message, reply.message);
  EXPECT_EQ(loaded->finish, reply.finish);
  EXPECT_EQ(loaded->usage.reasoning_tokens, 5);
  EXPECT_TRUE(loaded->usage.estimated);
  EXPECT_EQ(loaded->logprobs.at(0).alternatives, reply.logprobs[0].alternatives);
  EXPECT_EQ(loaded->attempts, 2);

  ChatReply plain;
  plain.message = AssistantMessage("Hello.");
  plain.model = "m";
  const StoredValue stored = StoreChatReply(plain, Sha256("said before"));
  ExpectPrintedAsJson(stored);
  ASSERT_EQ(stored.contents.size(), 1u);
  EXPECT_EQ(JsonString(*ParseJson(stored.root_bytes, "root"), "message"),
            stored.contents[0].hash.hex());
}

TEST(ContentTest, SearchFindsTheSameInWhatIsStored) {
  std::string cut(3 * 8192, 'x');
  for (size_t i = 0; i + 2 < cut.size(); i += 3) cut.replace(i, 3, "\xe2\x82\xac");
  Message parts;
  parts.parts = {TextPart{""}, TextPart{"one"}, ImagePart{"image/png", "bytes"}, TextPart{"two"}};
  Message calls = AssistantMessage("I call.");
  calls.tool_uses.push_back({"1", "list", Json::object(), ""});
  Message answer = UserMessage("\xf0\x9f\x8e\xad");
  answer.role = MessageRole::kTool;
  answer.tool_use_id = "1";
  const std::vector<Message> messages = {UserMessage("A \"plain\" one,\n\\ with \x01."),
                                         UserMessage(""),
                                         SystemMessage(cut),
                                         answer,
                                         parts,
                                         calls};
  const IsStoredFn none = [](const Hash&) { return false; };
  for (const Message& asked : messages) {
    for (const Message& replied : messages) {
      ChatRequest request;
      request.messages.push_back(asked);
      const StoredValue question = StoreChatRequest(request, "r", none);
      ChatReply reply;
      reply.message = replied;
      const StoredValue answered = StoreChatReply(reply, request.messages.stored_hash());
      std::map<std::string, std::string> stored;
      for (const Content& content : question.contents) stored[content.hash.hex()] = content.bytes;
      for (const Content& content : answered.contents) stored[content.hash.hex()] = content.bytes;
      const auto text = SearchTextOf(stored[request.messages.stored_hash().hex()],
                                     stored[answered.message.hex()]);
      ASSERT_TRUE(text.ok()) << text.status();
      EXPECT_EQ(*text, SearchText(asked, replied));
    }
  }
  EXPECT_FALSE(SearchTextOf("{", "{}").ok());
  EXPECT_TRUE(StoreChatReply(ChatReply()).message.empty());
}

TEST(TextTest, TellsUtf8FromWhatIsNone) {
  for (const char* text : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xef\xbf\xbd",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xc3", "\xc0\xaf", "\xc3\x28", "\xe0\x80\xaf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

}  // namespace
}  // namespace troupe
