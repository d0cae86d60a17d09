// The reference servers from npm, which speak the legacy era: everything (over pipes and over
// HTTP), filesystem, memory and sequential-thinking.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/mcp/mcp_fixture.h"

namespace troupe {
namespace {

using testing::HasSubstr;
using testing::Not;

class EverythingServer : public McpTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_PEERS();
    if (over_http()) {
      StartOverHttp();
    } else {
      Start(Npm("every", "server-everything", {"stdio"}));
    }
    // It offers some tools only once it knows what we can.
    ASSERT_TRUE(Eventually([&] { return Has("every.trigger-elicitation-request"); }));
  }
  void TearDown() override {
    Stop();
    if (!over_http() || peers_.empty()) return;
    const std::string log = Log();
    EXPECT_THAT(log, HasSubstr("termination request")) << "the session is ended";
  }

  bool over_http() const { return std::string(GetParam()) == "http"; }
  std::string Log() {
    std::ifstream file(log_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  void StartOverHttp() {
    // It takes its port from the environment: find a free one.
    int code = 0;
    port_ = RunCommand(
        "node -e \"const s = require('net').createServer().listen(0, '127.0.0.1', () => "
        "{ console.log(s.address().port); s.close(); })\"",
        code);
    port_ = port_.substr(0, port_.find('\n'));
    StartHttpServer();
    McpServerConfig config;
    config.name = "every";
    config.url = "http://127.0.0.1:" + port_ + "/mcp";
    Start(config);
  }

  void StartHttpServer() {
    log_ = folder_.path() / "everything.log";
    std::filesystem::remove(log_);
    ChildSpec spec;
    spec.command = "sh";
    spec.args = {"-c", "exec node " + peers_ +
                           "/node_modules/@modelcontextprotocol/server-everything/dist/index.js "
                           "streamableHttp >" +
                           log_.string() + " 2>&1"};
    spec.env["PORT"] = port_;
    StartHttp(spec, [&] { return Log().find("listening") != std::string::npos ? port_ : ""; });
  }

  std::string port_;
  std::filesystem::path log_;
};
INSTANTIATE_TEST_SUITE_P(Over, EverythingServer, testing::Values("stdio", "http"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(EverythingServer, TextAndErrors) {
  EXPECT_EQ(JsonString(Memory("every"), "era"), "legacy");
  EXPECT_THAT(Text(Call("every.echo", {{"message", "grüße"}})), HasSubstr("Echo: grüße"));
  EXPECT_THAT(Text(Call("every.get-sum", {{"a", 2}, {"b", 3}})), HasSubstr("5"));
  const auto wrong = Call("every.echo", {{"message", 5}});
  EXPECT_EQ(ReasonOf(wrong.status()), Reason::kToolArgumentsInvalid) << wrong.status();
}

TEST_P(EverythingServer, StructuredContentFitsItsSchema) {
  const auto weather = Call("every.get-structured-content", {{"location", "New York"}});
  ASSERT_TRUE(weather.ok()) << weather.status();
  EXPECT_TRUE(weather->value["temperature"].is_number()) << weather->value;
  EXPECT_TRUE(Spec("every.get-structured-content").result_schema.contains("properties"));
}

TEST_P(EverythingServer, ImagesResourcesAndLinks) {
  EXPECT_THAT(Text(Call("every.get-tiny-image")), HasSubstr("<image/png"));
  EXPECT_THAT(Text(Call("every.get-annotated-message",
                        {{"messageType", "success"}, {"includeImage", true}})),
              HasSubstr("<image/png"));
  EXPECT_THAT(
      Text(Call("every.get-resource-reference", {{"resourceType", "Text"}, {"resourceId", 1}})),
      HasSubstr("[resource demo://resource/dynamic/text/1]"));
  EXPECT_THAT(Text(Call("every.get-resource-links", {{"count", 2}})),
              HasSubstr("[link to the resource demo://"));
  const auto blob =
      Call("every.get-resource-reference", {{"resourceType", "Blob"}, {"resourceId", 1}});
  ASSERT_TRUE(blob.ok()) << blob.status();
  ASSERT_EQ(blob->artifacts.size(), 1U) << Text(blob);
  EXPECT_TRUE(
      std::filesystem::exists(folder_.path() / "workspace/artifacts" / blob->artifacts[0].name));
}

TEST_P(EverythingServer, CompressedFileAsResource) {
  const auto zipped =
      Call("every.gzip-file-as-resource", {{"name", "hello.gz"},
                                           {"data", "data:text/plain;base64,SGVsbG8="},
                                           {"outputType", "resource"}});
  ASSERT_TRUE(zipped.ok()) << zipped.status();
  ASSERT_EQ(zipped->artifacts.size(), 1U) << Text(zipped);
  EXPECT_THAT(zipped->artifacts[0].name, testing::EndsWith(".gz"));
}

TEST_P(EverythingServer, Progress) {
  const auto ended = Call("every.trigger-long-running-operation", {{"duration", 1}, {"steps", 4}});
  EXPECT_THAT(Text(ended), HasSubstr("completed"));
  ASSERT_GE(progress_.size(), 3U);
  EXPECT_EQ(progress_[0], "1 of 4");
}

TEST_P(EverythingServer, Cancellation) {
  CancelSource source;
  on_progress_ = [&] { source.Cancel(CancelReason::kUser, "enough"); };
  const absl::Time start = SteadyNow();
  const auto ended = Call("every.trigger-long-running-operation", {{"duration", 30}, {"steps", 60}},
                          source.token());
  EXPECT_EQ(ReasonOf(ended.status()), Reason::kCancelled) << ended.status();
  EXPECT_LT(SteadyNow() - start, absl::Seconds(10 * Slowness()));
  EXPECT_THAT(Text(Call("every.echo", {{"message", "on"}})), HasSubstr("Echo: on"));
}

TEST_P(EverythingServer, ElicitationAsksAPerson) {
  host_.answer = [](const HostQuestion&) -> absl::StatusOr<Json> {
    return Json{{"name", "Ada"}, {"check", true}};
  };
  const std::string answered = Text(Call("every.trigger-elicitation-request"));
  ASSERT_EQ(host_.questions.size(), 1U) << answered;
  EXPECT_THAT(host_.questions[0].prompt, HasSubstr("The MCP server 'every' asks"));
  EXPECT_THAT(answered, HasSubstr("Name: Ada"));
  EXPECT_THAT(answered, HasSubstr("It was a dark and stormy night.")) << "a default of the form";
  host_.answer = [](const HostQuestion&) -> absl::StatusOr<Json> { return Json("decline"); };
  EXPECT_THAT(Text(Call("every.trigger-elicitation-request")), HasSubstr("declined"));
}

TEST_P(EverythingServer, SamplingAsksAPersonAndThenAModel) {
  const Json arguments = {{"prompt", "say hi"}, {"maxTokens", 20}};
  host_.answer = [](const HostQuestion& question) -> absl::StatusOr<Json> {
    EXPECT_TRUE(question.is_approval);
    return Json("approve");
  };
  EXPECT_THAT(Text(Call("every.trigger-sampling-request", arguments)),
              HasSubstr("sampled: Resource trigger-sampling-request context: say hi"));
  ASSERT_EQ(host_.samples.size(), 1U);
  EXPECT_EQ(host_.samples[0].max_tokens, 20);
  EXPECT_EQ(host_.samples[0].system, "You are a helpful test server.");
  host_.answer = [](const HostQuestion&) -> absl::StatusOr<Json> { return Json("deny"); };
  EXPECT_THAT(Text(Call("every.trigger-sampling-request", arguments)), HasSubstr("declined"));
  EXPECT_EQ(host_.samples.size(), 1U) << "no model was asked";
}

TEST_P(EverythingServer, QuestionThatCannotBeAskedEndsTheCall) {
  host_.answer = [](const HostQuestion&) -> absl::StatusOr<Json> {
    return Error(Reason::kBudgetExceeded, "no more");
  };
  const auto ended = Call("every.trigger-elicitation-request");
  EXPECT_EQ(ReasonOf(ended.status()), Reason::kBudgetExceeded) << ended.status();
}

TEST_P(EverythingServer, CallInASessionThatIsForgottenIsMadeInANewOne) {
  if (!over_http()) return;
  http_servers_.clear();
  StartHttpServer();
  EXPECT_THAT(Text(Call("every.echo", {{"message", "again"}})), HasSubstr("Echo: again"));
}

TEST_P(EverythingServer, EnvironmentIsSparse) {
  setenv("TROUPE_TEST_SECRET", "must-not-be-inherited", 1);
  EXPECT_THAT(Text(Call("every.get-env")), Not(HasSubstr("no tool")));
  if (!over_http()) {
    Stop();
    Start(Npm("every", "server-everything", {"stdio"}));
    EXPECT_THAT(Text(Call("every.get-env")), Not(HasSubstr("must-not-be-inherited")));
  }
  unsetenv("TROUPE_TEST_SECRET");
}

TEST_F(McpTest, RootsOfTheConfiguration) {
  SKIP_WITHOUT_PEERS();
  McpServerConfig config = Npm("every", "server-everything", {"stdio"});
  config.roots = {"/srv/my documents"};
  Start(config);
  ASSERT_TRUE(Eventually([&] { return Has("every.get-roots-list"); }));
  EXPECT_THAT(Text(Call("every.get-roots-list")), HasSubstr("file:///srv/my%20documents"));
}

TEST_F(McpTest, FilesystemServer) {
  SKIP_WITHOUT_PEERS();
  const auto files = folder_.path() / "files";
  std::filesystem::create_directories(files);
  std::ofstream(files / "note.txt") << "four leaf clover\n";
  McpServerConfig config = Npm("files", "server-filesystem", {files.string()});
  config.workspace_root = false;
  config.trust_annotations = true;
  Start(config);
  EXPECT_THAT(Text(Call("files.list_directory", {{"path", files.string()}})),
              HasSubstr("note.txt"));
  EXPECT_THAT(Text(Call("files.read_text_file", {{"path", (files / "note.txt").string()}})),
              HasSubstr("four leaf clover"));
  EXPECT_THAT(Text(Call("files.write_file",
                        {{"path", (files / "new.txt").string()}, {"content", "written"}})),
              HasSubstr("Successfully"));
  EXPECT_TRUE(std::filesystem::exists(files / "new.txt"));
  const auto outside = Call("files.read_text_file", {{"path", "/etc/hostname"}});
  ASSERT_TRUE(outside.ok()) << outside.status();
  EXPECT_TRUE(outside->is_error) << "refused by the server, for the agent to see";
  // With trust_annotations its hints count.
  EXPECT_TRUE(Spec("files.read_text_file").read_only);
  EXPECT_TRUE(Spec("files.write_file").destructive);
}

TEST_F(McpTest, MemoryServer) {
  SKIP_WITHOUT_PEERS();
  McpServerConfig config = Npm("memory", "server-memory");
  config.env["MEMORY_FILE_PATH"] = (folder_.path() / "memory.jsonl").string();
  Start(config);
  const Json entity = {
      {"name", "Ada"}, {"entityType", "person"}, {"observations", Json::array({"wrote programs"})}};
  const auto made = Call("memory.create_entities", {{"entities", Json::array({entity})}});
  ASSERT_TRUE(made.ok()) << made.status();
  const auto found = Call("memory.search_nodes", {{"query", "programs"}});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->value["entities"][0]["name"], "Ada") << found->value;
}

TEST_F(McpTest, SequentialThinkingServer) {
  SKIP_WITHOUT_PEERS();
  Start(Npm("thinking", "server-sequential-thinking"));
  const auto thought = Call("thinking.sequentialthinking", {{"thought", "first things first"},
                                                            {"nextThoughtNeeded", false},
                                                            {"thoughtNumber", 1},
                                                            {"totalThoughts", 1}});
  ASSERT_TRUE(thought.ok()) << thought.status();
  EXPECT_FALSE(thought->is_error) << Text(thought);
}

}  // namespace
}  // namespace troupe
