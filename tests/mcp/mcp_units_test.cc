// The parts of the MCP client that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/steady_time.h"
#include "tools/http/sse_parser.h"
#include "tools/mcp/json_rpc.h"
#include "tools/mcp/mcp_breakers.h"
#include "tools/mcp/mcp_definition.h"
#include "tools/mcp/mcp_headers.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JsonRpc, TellsTheKindsApart) {
  const auto kind = [](const char* text) {
    const auto message = ReadRpcMessage(Json::parse(text));
    return message.ok() ? static_cast<int>(message->kind) : -1;
  };
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0","id":"a","method":"ping"})"),
            static_cast<int>(RpcMessage::Kind::kRequest));
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0","method":"ping"})"),
            static_cast<int>(RpcMessage::Kind::kNotification));
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0","id":1,"result":null})"),
            static_cast<int>(RpcMessage::Kind::kResult));
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0","error":{"code":-32700}})"),
            static_cast<int>(RpcMessage::Kind::kError));
  EXPECT_EQ(kind(R"({"jsonrpc":"1.0","id":1,"result":1})"), -1);
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0","id":1.5,"result":1})"), -1);
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0","id":{},"method":"x"})"), -1);
  EXPECT_EQ(kind(R"({"jsonrpc":"2.0"})"), -1);
  EXPECT_EQ(kind("[]"), -1);
}

TEST(JsonRpc, ErrorsKeepCodeAndData) {
  RpcError error;
  error.code = kMcpUnsupportedVersion;
  error.message = "no\x01";
  error.data = {{"supported", {"2026-07-28"}}};
  const absl::Status status = RpcErrorStatus("s", "server/discover", error);
  EXPECT_EQ(RpcCodeOf(status), kMcpUnsupportedVersion);
  EXPECT_EQ(RpcDataOf(status)["supported"][0], "2026-07-28");
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("no?"));
  EXPECT_EQ(RpcCodeOf(absl::InternalError("x")), 0);
}

TEST(McpBreakers, CountFailuresOfToolsAlone) {
  McpBreakers breakers("s");
  const absl::Time now = SteadyNow();
  const auto end = [&](const std::string& tool, const absl::Status& outcome, absl::Time at) {
    breakers.Begin(tool);
    breakers.End(tool, outcome, at);
  };
  const absl::Status wrong = RpcErrorStatus("s", "tools/call", {kRpcInvalidParams, "no such city"});
  const absl::Status broken = RpcErrorStatus("s", "tools/call", {kRpcInternalError, "broken"});
  for (int i = 0; i < 9; ++i) end("a", wrong, now);
  EXPECT_TRUE(breakers.Refusal("a", now).ok()) << "wrong arguments are not the tool's failure";
  for (int i = 0; i < 4; ++i) end("a", broken, now);
  end("a", absl::OkStatus(), now);
  for (int i = 0; i < 4; ++i) end("a", broken, now);
  EXPECT_TRUE(breakers.Refusal("a", now).ok()) << "not in a row";
  end("a", broken, now);
  EXPECT_THAT(std::string(MessageOf(breakers.Refusal("a", now))),
              HasSubstr("a of the MCP server s cannot be called: it failed 5 times in a row and is "
                        "left alone for 5 seconds"));
  EXPECT_TRUE(breakers.Refusal("b", now).ok());
  const absl::Time later = now + absl::Seconds(5);
  EXPECT_TRUE(breakers.Refusal("a", later).ok());
  EXPECT_FALSE(breakers.BeingTried("a", later));
  breakers.Begin("a");
  EXPECT_TRUE(breakers.BeingTried("a", later)) << "others wait for how it ends";
  breakers.Abandon("a");
  EXPECT_FALSE(breakers.BeingTried("a", later));
  end("a", broken, later);
  EXPECT_FALSE(breakers.Refusal("a", later + absl::Seconds(9)).ok()) << "a longer pause";
  end("a", absl::OkStatus(), later + absl::Seconds(10));
  EXPECT_TRUE(breakers.Refusal("a", later).ok());
}

TEST(PlainText, CutsBetweenCharactersAndHidesSecrets) {
  EXPECT_EQ(PlainText("aäb", 2), "a");
  EXPECT_EQ(PlainText("\x1b[31mred\x7f", 100), "?[31mred?");
  EXPECT_EQ(WithoutSecrets("key=abcdefgh, abcdefgh", {"abcdefgh"}), "key=***, ***");
  EXPECT_EQ(WithoutSecrets("a short key", {"key"}), "a short key");
}

TEST(McpHeaders, EncodeWhatIsNotPlain) {
  EXPECT_EQ(McpHeaderValue("us-west1"), "us-west1");
  EXPECT_EQ(McpHeaderValue("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
  EXPECT_EQ(McpHeaderValue(" padded "), "=?base64?IHBhZGRlZCA=?=");
  EXPECT_EQ(McpHeaderValue("line1\nline2"), "=?base64?bGluZTEKbGluZTI=?=");
  EXPECT_EQ(McpHeaderValue("=?base64?literal?="), "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
}

TEST(McpHeaders, ParametersAreFoundByProperties) {
  const Json schema = Json::parse(R"({"type": "object", "properties": {
      "region": {"type": "string", "x-mcp-header": "Region"},
      "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
      "on": {"type": "boolean", "x-mcp-header": "On"}}})");
  const auto params = HeaderParamsOf(schema);
  ASSERT_TRUE(params.ok()) << params.status();
  const auto headers = ParamHeaders(*params, {{"region", "a"}, {"deep", {{"n", 42}}}});
  EXPECT_THAT(headers, ElementsAre(std::pair<std::string, std::string>("Mcp-Param-N", "42"),
                                   std::pair<std::string, std::string>("Mcp-Param-Region", "a")));
}

TEST(McpHeaders, MarksInWrongPlacesAreRefused) {
  for (const char* schema :
       {R"({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}})",
        R"({"properties": {"a": {"type": "string", "x-mcp-header": ""}}})",
        R"({"properties": {"a": {"type": "string", "x-mcp-header": "A\r\nB"}}})",
        R"({"properties": {"a": {"type": "string", "x-mcp-header": "A"},
                           "b": {"type": "string", "x-mcp-header": "a"}}})",
        R"({"properties": {"a": {"items": {"type": "string", "x-mcp-header": "A"}}}})",
        R"({"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]})"}) {
    EXPECT_FALSE(HeaderParamsOf(Json::parse(schema)).ok()) << schema;
  }
}

McpDefinition Definition(const std::string& name, Json annotations = Json::object()) {
  return *ReadMcpDefinition({{"name", name},
                             {"description", "Does\nthings."},
                             {"inputSchema", {{"type", "object"}}},
                             {"annotations", std::move(annotations)}});
}

TEST(McpDefinition, NamesAreStableAndUnique) {
  const std::string longest(120, 'x');
  const std::vector<McpDefinition> tools = {Definition("Foo"), Definition("foo"),
                                            Definition("a/b c"), Definition(longest)};
  const auto names = McpToolNames("s", tools);
  EXPECT_EQ(names[1], "s.foo") << "needs no change, so it keeps the name";
  EXPECT_THAT(names[0], testing::MatchesRegex("s\\.foo-[0-9a-f]{8}"));
  EXPECT_EQ(names[2], "s.a_b_c");
  EXPECT_LE(names[3].size(), 64U);
  const std::vector<McpDefinition> reversed(tools.rbegin(), tools.rend());
  const auto again = McpToolNames("s", reversed);
  EXPECT_EQ(again[3], names[0]);
  EXPECT_EQ(again[0], names[3]);
}

TEST(McpDefinition, HintsOnlyTighten) {
  McpServerConfig config;
  config.name = "s";
  const auto spec = [&](Json hints) {
    return McpToolSpec(config, Definition("t", std::move(hints)), "s.t", false);
  };
  const ToolSpec unknown = spec(Json::object());
  EXPECT_TRUE(unknown.destructive && !unknown.read_only && !unknown.idempotent);
  const ToolSpec boasting =
      spec({{"readOnlyHint", true}, {"idempotentHint", true}, {"destructiveHint", false}});
  EXPECT_TRUE(boasting.destructive && !boasting.read_only && !boasting.idempotent);
  config.read_only_tools = {"*"};
  EXPECT_TRUE(spec(Json::object()).read_only);
  EXPECT_FALSE(spec({{"readOnlyHint", false}}).read_only) << "it says itself that it is not";
  config.read_only_tools = {};
  config.nondestructive_tools = {"t"};
  EXPECT_FALSE(spec(Json::object()).destructive);
  EXPECT_TRUE(spec({{"destructiveHint", true}}).destructive);
  config.trust_annotations = true;
  EXPECT_TRUE(spec({{"readOnlyHint", true}}).read_only);
  EXPECT_EQ(unknown.brief, "Does");
}

TEST(McpDefinition, AnyChangeChangesTheHash) {
  const std::string before = Definition("t").sha256;
  EXPECT_EQ(Definition("t").sha256, before);
  EXPECT_NE(Definition("t", {{"readOnlyHint", true}}).sha256, before);
  EXPECT_NE(Definition("u").sha256, before);
}

TEST(SseParser, KeepsTheIdToResumeFrom) {
  std::vector<std::string> seen;
  SseParser parser([&](const SseEvent& event) { seen.push_back(event.id + ":" + event.data); });
  ASSERT_TRUE(parser.Feed("id: 1\nretry: 250\ndata:\n\nid: 2\ndata: x\n\ndata: y\n\nid: 3\n").ok());
  EXPECT_THAT(seen, ElementsAre("1:", "2:x", "2:y"));
  EXPECT_EQ(parser.last_id(), "2") << "the event of 3 has not ended";
  EXPECT_EQ(parser.retry_milliseconds(), 250);
}

}  // namespace
}  // namespace troupe
