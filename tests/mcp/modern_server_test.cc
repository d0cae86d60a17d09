// A server on the official SDK of the revision 2026-07-28, over pipes and over HTTP.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/mcp/mcp_fixture.h"

namespace troupe {
namespace {

using testing::HasSubstr;

class ModernServer : public McpTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_PEERS();
    int code = 0;
    if (RunCommand("node -p 'process.versions.node.split(`.`)[0] >= 20'", code) != "true\n") {
      GTEST_SKIP() << "the SDK of the modern era needs Node.js 20";
    }
    Start(Config());
  }

  bool over_http() const { return std::string(GetParam()) == "http"; }

  McpServerConfig Config() {
    if (!over_http()) return Modern({"stdio", "strict"});
    const auto port_file = folder_.path() / "port";
    std::filesystem::remove(port_file);
    ChildSpec spec;
    spec.command = "node";
    spec.args = {peers_ + "/servers/modern.mjs", "http", port_file.string(), "strict"};
    const std::string port = StartHttp(spec, [&] {
      std::ifstream file(port_file);
      std::string text;
      file >> text;
      return text;
    });
    McpServerConfig config;
    config.name = "modern";
    config.url = "http://127.0.0.1:" + port + "/mcp";
    config.headers["X-Key"] = "hidden-key-1234";
    config.secret_headers = {"X-Key"};
    return config;
  }
};
INSTANTIATE_TEST_SUITE_P(Over, ModernServer, testing::Values("stdio", "http"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ModernServer, StructuredContent) {
  EXPECT_EQ(JsonString(Memory("modern"), "era"), "modern");
  const auto sum = Call("modern.add", {{"a", 2}, {"b", 3}});
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(sum->value["sum"], 5);
}

TEST_P(ModernServer, HintsLoosenNothing) {
  EXPECT_FALSE(Spec("modern.add").read_only) << "it says so, but who is it";
}

TEST_P(ModernServer, InputIsAskedForInRounds) {
  host_.answer = [](const HostQuestion& question) -> absl::StatusOr<Json> {
    if (question.is_approval) return Json("approve");
    return Json{{"name", "Ada"}};
  };
  EXPECT_THAT(Text(Call("modern.greet")), HasSubstr("Ada with 1 roots: sampled: Praise Ada."));
  EXPECT_EQ(host_.questions.size(), 2U);
  host_.answer = [](const HostQuestion&) -> absl::StatusOr<Json> { return Json("decline"); };
  EXPECT_THAT(Text(Call("modern.greet")), HasSubstr("nobody (decline)"));
}

TEST_P(ModernServer, ProgressAndCancellation) {
  EXPECT_THAT(Text(Call("modern.slow", {{"n", 3}})), HasSubstr("counted to 3"));
  ASSERT_EQ(progress_.size(), 3U);
  EXPECT_EQ(progress_[0], "step 1 (1 of 3)");
  CancelSource source;
  on_progress_ = [&] { source.Cancel(CancelReason::kUser, "enough"); };
  const auto ended = Call("modern.slow", {{"n", 300}}, source.token());
  EXPECT_EQ(ReasonOf(ended.status()), Reason::kCancelled) << ended.status();
  on_progress_ = nullptr;
  EXPECT_TRUE(Eventually([&] { return Text(Call("modern.cancelled")) == "1\n"; }))
      << "the server was told";
}

TEST_P(ModernServer, ToolsChangeWhileItRuns) {
  EXPECT_THAT(Text(Call("modern.rename")), HasSubstr("renamed"));
  ASSERT_TRUE(Eventually([&] { return Has("modern.new_tool"); })) << "it was told of the change";
  EXPECT_THAT(Text(Call("modern.new_tool")), HasSubstr("new"));
  EXPECT_TRUE(Spec("modern.changing").needs_approval);
  EXPECT_EQ(Spec("modern.changing").description, "Deletes everything.");
  EXPECT_FALSE(Spec("modern.add").needs_approval);
}

TEST_P(ModernServer, ArgumentsAreRepeatedInHeaders) {
  EXPECT_THAT(Text(Call("modern.where", {{"region", "zürich"}})),
              HasSubstr(over_http() ? "zürich by =?base64?" : "zürich by no header"));
}

TEST_P(ModernServer, KeysGoWithEveryRequest) {
  EXPECT_THAT(Text(Call("modern.key")), HasSubstr(over_http() ? "the key came" : "no key"));
}

TEST_P(ModernServer, SoundIsAnArtifact) {
  const auto sound = Call("modern.audio");
  ASSERT_TRUE(sound.ok()) << sound.status();
  ASSERT_EQ(sound->artifacts.size(), 1U);
  EXPECT_EQ(sound->artifacts[0].media_type, "audio/wav");
  std::ifstream file(folder_.path() / "workspace/artifacts" / sound->artifacts[0].name);
  std::string bytes;
  file >> bytes;
  EXPECT_EQ(bytes, "RIFFsound");
}

TEST_P(ModernServer, EndInTheMiddleOfACall) {
  const auto ended = Call("modern.die");
  EXPECT_EQ(ReasonOf(ended.status()), Reason::kToolInterrupted) << ended.status();
  if (over_http()) return;  // nobody starts that one again
  EXPECT_THAT(Text(Call("modern.add", {{"a", 2}, {"b", 3}})), HasSubstr("5"));
}

TEST_P(ModernServer, RememberedEraSavesTheProbe) {
  Stop();
  Start(Config());
  EXPECT_TRUE(Eventually([&] { return Text(Call("modern.add", {{"a", 1}, {"b", 1}})) == "2\n"; }));
}

}  // namespace
}  // namespace troupe
