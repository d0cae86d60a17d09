// Servers with the manners of the wild; needs Node.js alone.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/mcp/mcp_fixture.h"

namespace troupe {
namespace {

using testing::HasSubstr;
using testing::Not;

class AwkwardServer : public McpTest {
 protected:
  void SetUp() override {
    int code = 0;
    RunCommand("node --version", code);
    if (code != 0) GTEST_SKIP() << "Node.js is not installed";
  }
};

TEST_F(AwkwardServer, PagesAndNoiseAndNames) {
  Start(Ours("awk", "awkward.mjs"));
  EXPECT_TRUE(Has("awk.first"));
  EXPECT_TRUE(Has("awk.second")) << "of the second page";
  // Two tools would have one name: the one that had to be changed for it gets a hash.
  EXPECT_TRUE(Has("awk.upper_case"));
  std::string other;
  for (const auto& spec : tools_.List()) {
    if (spec->name.starts_with("awk.upper_case-")) other = spec->name;
  }
  EXPECT_THAT(Text(Call(other)), HasSubstr("upper"));
  EXPECT_THAT(Text(Call("awk.upper_case")), HasSubstr("upper_case at start 1"));
  EXPECT_EQ(JsonString(Memory("awk"), "era"), "legacy");
}

TEST_F(AwkwardServer, NothingIsBelievedOfATool) {
  Start(Ours("awk", "awkward.mjs"));
  const ToolSpec spec = Spec("awk.first");
  EXPECT_FALSE(spec.read_only);
  EXPECT_FALSE(spec.idempotent);
  EXPECT_TRUE(spec.destructive);
  EXPECT_FALSE(spec.needs_approval);
  EXPECT_EQ(spec.provider, "mcp:awk");
}

TEST_F(AwkwardServer, OperatorMaySayThatToolsAreHarmless) {
  McpServerConfig config = Ours("awk", "awkward.mjs");
  config.read_only_tools = {"first"};
  config.nondestructive_tools = {"second"};
  config.tools = {"first", "second"};
  Start(config);
  EXPECT_TRUE(Spec("awk.first").read_only);
  EXPECT_TRUE(Spec("awk.first").idempotent);
  EXPECT_FALSE(Spec("awk.second").destructive);
  EXPECT_FALSE(Has("awk.hang")) << "is not among the tools that are wanted";
}

TEST_F(AwkwardServer, SilenceMeansLegacy) {
  McpServerConfig config = Ours("awk", "awkward.mjs", {"silent"});
  config.start_time = absl::Seconds(9 * Slowness());  // a third of it is waited for an answer
  Start(config);
  EXPECT_TRUE(Has("awk.first"));
}

TEST_F(AwkwardServer, DeathAtAnUnknownMethodMeansLegacy) {
  Start(Ours("awk", "awkward.mjs", {"dies"}));
  EXPECT_TRUE(Eventually([&] { return Has("awk.first"); }));
}

TEST_F(AwkwardServer, CrashingIsTriedAFewTimesAndTellsNoSecrets) {
  McpServerConfig config = Ours("awk", "awkward.mjs", {"crashes"});
  config.env["API_KEY"] = "very-secret-key";
  config.secret_variables = {"API_KEY"};
  config.restarts = 0;
  Start(config);
  EXPECT_TRUE(tools_.List().empty());
}

TEST_F(AwkwardServer, SecretsAreInNoError) {
  McpServerConfig config = Ours("awk", "awkward.mjs");
  config.env["API_KEY"] = "very-secret-key";
  config.secret_variables = {"API_KEY"};
  Start(config);
  const std::string died = Text(Call("awk.die"));
  EXPECT_THAT(died, HasSubstr("exit code 5"));
  EXPECT_THAT(died, HasSubstr("key: ***"));
  EXPECT_THAT(died, Not(HasSubstr("very-secret-key")));
  const std::string told = Text(Call("awk.tell"));
  EXPECT_THAT(told, HasSubstr("the key is ***")) << "a server that tells it puts it in no trace";
}

TEST_F(AwkwardServer, CrashedServerIsStartedAgain) {
  Start(Ours("awk", "awkward.mjs"));
  const auto died = Call("awk.die");
  EXPECT_THAT(Text(died), HasSubstr("ended (exit code 5)"));
  EXPECT_EQ(ReasonOf(died.status()), Reason::kToolInterrupted)
      << "who knows what it did: a person decides";
  EXPECT_TRUE(Has("awk.first")) << "its tools stay";
  EXPECT_THAT(Text(Call("awk.first")), HasSubstr("first at start 1")) << "waits for the restart";
}

TEST_F(AwkwardServer, CallsThatHangEndInTime) {
  McpServerConfig config = Ours("awk", "awkward.mjs");
  config.timeout = absl::Seconds(0.5);
  config.max_time = absl::Seconds(1.5);
  Start(config);
  const auto hung = Call("awk.hang");
  EXPECT_EQ(ReasonOf(hung.status()), Reason::kDeadlineExceeded) << hung.status();
  EXPECT_THAT(Text(hung), HasSubstr("gave no sign"));
  EXPECT_THAT(Text(Call("awk.repeat")), HasSubstr("gave no sign"))
      << "progress that does not rise keeps no call alive";
}

TEST_F(AwkwardServer, ToolThatFailsIsLeftAloneForAWhile) {
  Start(Ours("awk", "awkward.mjs"));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Text(Call("awk.flaky")), HasSubstr("out of order"));
  const auto refused = Call("awk.flaky");
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kToolFailed);
  EXPECT_THAT(Text(refused), HasSubstr("failed 5 times in a row and is left alone"));
  EXPECT_THAT(Text(Call("awk.first")), HasSubstr("first at start")) << "other tools go on";
  EXPECT_TRUE(Eventually([&] { return Text(Call("awk.flaky")) == "works again\n"; }))
      << "one call tries it after the pause";
  EXPECT_EQ(Text(Call("awk.flaky")), "works again\n");
}

TEST_F(AwkwardServer, CancelledCallEndsAtOnce) {
  Start(Ours("awk", "awkward.mjs"));
  CancelSource source;
  std::thread cancelling([&] { source.Cancel(CancelReason::kUser, "enough"); });
  const auto cancelled = Call("awk.hang", Json::object(), source.token());
  cancelling.join();
  EXPECT_EQ(ReasonOf(cancelled.status()), Reason::kCancelled) << cancelled.status();
}

TEST_F(AwkwardServer, UrlElicitationIsRefusedWithAReason) {
  Start(Ours("awk", "awkward.mjs"));
  EXPECT_THAT(Text(Call("awk.ask")), HasSubstr("elicitation by URL is refused"));
  EXPECT_TRUE(host_.questions.empty());
}

TEST_F(AwkwardServer, MessageOverTheLimitEndsTheServerAndNotUs) {
  Start(Ours("awk", "awkward.mjs"));
  EXPECT_THAT(Text(Call("awk.big")), HasSubstr("more than 16777216 bytes"));
  EXPECT_THAT(Text(Call("awk.first")), HasSubstr("first at start"));
}

TEST_F(AwkwardServer, ChangedDefinitionNeedsApprovalUntilItIsAccepted) {
  McpServerConfig config = Ours("awk", "awkward.mjs", {"changes"});
  config.env["COUNTER"] = (folder_.path() / "counter").string();
  Start(config);
  EXPECT_FALSE(Spec("awk.second").needs_approval) << "what is seen first is accepted";
  const std::string meaning = Spec("awk.second").version;
  Stop();
  Start(config);
  ASSERT_TRUE(Eventually([&] { return Spec("awk.second").needs_approval; }));
  EXPECT_FALSE(Spec("awk.first").needs_approval) << "it is as it was";
  const std::string unaccepted = Spec("awk.second").version;
  EXPECT_NE(unaccepted, meaning) << "leave for the old one is none for this";
  std::string sha256;
  const Json memory = Memory("awk");
  for (const Json& tool : memory["tools"]) {
    if (tool["name"] == "second") sha256 = ReadMcpDefinition(tool)->sha256;
  }
  EXPECT_EQ(ReasonOf(hub_->Accept("awk", "no hash")), Reason::kNotFound);
  EXPECT_TRUE(unaccepted.ends_with(sha256.substr(0, 24)));
  EXPECT_TRUE(hub_->Accept("awk", unaccepted).ok());
  EXPECT_FALSE(Spec("awk.second").needs_approval);
  EXPECT_EQ(Spec("awk.second").version, meaning) << "a record made with it is good again";
  Stop();
  Start(config);
  EXPECT_FALSE(Spec("awk.second").needs_approval) << "it is remembered";
}

TEST_F(AwkwardServer, RememberedToolsAreThereBeforeTheServerIs) {
  Start(Ours("awk", "awkward.mjs"));
  Stop();
  Start(Ours("awk", "awkward.mjs"));
  EXPECT_TRUE(Has("awk.first")) << "a task that goes on finds it at once";
  EXPECT_THAT(Text(Call("awk.first")), HasSubstr("first at start 1"));
}

TEST_F(AwkwardServer, NothingIsLeftBehind) {
  const std::string mark = folder_.path().string();
  const auto running = [&] {
    int code = 0;
    return RunCommand("ps -eo args | grep '^node .*" + mark + "'", code);
  };
  Start(Ours("awk", "awkward.mjs", {mark}));
  EXPECT_THAT(running(), HasSubstr(mark));
  Stop();
  EXPECT_EQ(running(), "");
  EXPECT_FALSE(Has("awk.first"));
}

TEST_F(AwkwardServer, UnreachableAddressIsAnErrorInWords) {
  McpServerConfig config;
  config.name = "far";
  config.url = "http://127.0.0.1:9/mcp?key=in-the-query";
  config.start_time = absl::Seconds(2);
  Start(config);
  EXPECT_TRUE(tools_.List().empty());
}

}  // namespace
}  // namespace troupe
