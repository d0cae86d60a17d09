#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/config/server_config.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

absl::StatusOr<ServerConfig> Parse(const std::string& text) {
  return ParseServerConfig(text, "/etc/troupe/troupe.toml", [](const std::string& name) {
    return name == "KEY" ? std::string("secret") : std::string();
  });
}

TEST(ConfigTest, ReadsEveryPartAndTakesPathsFromTheFile) {
  const auto config = Parse(R"(
[server]
data_folder = "data"
[store]
retention_days = 2
[sandbox]
cell_seconds = 1.5
[models.big]
url = "http://127.0.0.1:1/v1/"
api_key_env = "KEY"
output_price = 15000000
[roles]
default = "big"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->data_folder, "/etc/troupe/data");
  EXPECT_EQ(config->retention, absl::Hours(48));
  EXPECT_EQ(config->sandbox.cell_time, absl::Milliseconds(1500));
  ASSERT_EQ(config->models.size(), 1u);
  EXPECT_EQ(config->models[0].url, "http://127.0.0.1:1/v1");
  EXPECT_EQ(config->models[0].api_key, "secret");
  EXPECT_EQ(config->roles.at("default"), "big");
}

TEST(ConfigTest, SaysWhereItIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {"[server]\nlisen = \"x\"", "server.lisen"},
      {"[serve]", "serve"},
      {"[server]\nthreads = 0", "server.threads"},
      {"[server]\nthreads = \"two\"", "server.threads"},
      {"[models.x]\nkind = \"magic\"", "models.x.kind"},
      {"[models.x]\nkind = \"openai\"", "models.x.url"},
      {"[server]\nlog_level = \"loud\"", "server.log_level"},
      {"[store]\ngive_up_seconds = -1", "store.give_up_seconds"},
      {"[store]\nretention_days = -1", "store.retention_days"},
      {"[store]\nretention_days = 0", "store.retention_days"},
      {"[store]\nretention_days = nan", "store.retention_days"},
      {"[roles]\ndefault = 3", "roles"},
      {"[mcp.Big]\ncommand = \"x\"", "mcp.Big"},
      {"[mcp.x]", "mcp.x.command"},
      {"[mcp.x]\ncommand = \"x\"\nurl = \"http://x\"", "mcp.x.command"},
      {"[mcp.x]\nurl = \"ftp://x\"", "mcp.x.url"},
      {"[mcp.x]\ncommand = \"x\"\nera = \"stone\"", "mcp.x.era"},
      {"[mcp.x]\ncommand = \"x\"\ntrust = true", "mcp.x.trust"},
      {"[mcp.x]\nurl = \"http://x\"\nheaders = {a = \"b\\nc\"}", "mcp.x.headers"},
      {"[mcp.x]\nurl = \"http://x\"\nheaders_from_file = {a = \"none\"}",
       "mcp.x.headers_from_file"},
      {"[tools]\nshown = 0", "tools.shown"},
      {"[permissions]\nrules = 3", "permissions.rules"},
      {"[[permissions.rules]]\ntool = \"x\"", "permissions.rules[0].decision"},
      {"[[permissions.rules]]\ndecision = \"maybe\"", "permissions.rules[0].decision"},
      {"[[permissions.rules]]\ndecision = \"ask\"\nwhy = 1", "permissions.rules[0].why"},
      {"[[permissions.rules]]\ndecision = \"ask\"\ntool = \"No Tool\"",
       "permissions.rules[0].tool"},
      {"[[permissions.rules]]\ndecision = \"ask\"\narguments_schema = \"{\"",
       "permissions.rules[0].arguments_schema"},
      {"[[permissions.rules]]\ndecision = \"ask\"\narguments_schema = '{\"type\": 7}'",
       "permissions.rules[0].arguments_schema"},
  };
  for (const auto& [text, field] : wrong) {
    const auto config = Parse(text);
    EXPECT_EQ(ReasonOf(config.status()), Reason::kInvalidField) << text;
    EXPECT_EQ(MetadataOf(config.status())["field"], field) << text;
  }
  EXPECT_FALSE(Parse("[server").ok());
}

TEST(ConfigTest, AFolderIsNoConfiguration) {
  const TempFolder folder;
  EXPECT_EQ(ReasonOf(LoadServerConfig(folder.path()).status()), Reason::kInvalidField);
  EXPECT_EQ(ReasonOf(LoadServerConfig(folder.path() / "none").status()), Reason::kInvalidField);
  std::ofstream(folder.path() / "empty");
  EXPECT_TRUE(LoadServerConfig(folder.path() / "empty").ok());
}

TEST(ConfigTest, ReadsMcpServers) {
  const auto config = Parse(R"(
[mcp.files]
command = "bin/server"
args = ["--root", "x"]
env = {LEVEL = "3"}
env_from = ["KEY", "MISSING"]
cwd = "work"
max_seconds = 1.5
read_only_tools = ["*"]
approval = "always"
sampling = "off"
roots = ["shared"]
[mcp.far]
url = "https://example.org/mcp"
headers = {"X-Team" = "a"}
headers_from_env = {Authorization = "KEY"}
era = "modern"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->mcp_servers.size(), 2u);
  const McpServerConfig& far = config->mcp_servers[0];
  EXPECT_EQ(far.era, McpEra::kModern);
  EXPECT_EQ(far.headers.at("Authorization"), "secret");
  EXPECT_EQ(far.Secrets(), std::vector<std::string>{"secret"});
  const McpServerConfig& files = config->mcp_servers[1];
  EXPECT_EQ(files.command, "/etc/troupe/bin/server");
  EXPECT_EQ(files.cwd, "/etc/troupe/work");
  EXPECT_EQ(files.env.at("LEVEL"), "3");
  EXPECT_EQ(files.env.at("KEY"), "secret");
  EXPECT_FALSE(files.env.contains("MISSING"));
  EXPECT_EQ(files.Secrets(), std::vector<std::string>{"secret"});
  EXPECT_EQ(files.max_time, absl::Milliseconds(1500));
  EXPECT_EQ(files.approval, McpApproval::kAlways);
  EXPECT_EQ(files.sampling, McpSampling::kOff);
  EXPECT_EQ(files.roots[0], "/etc/troupe/shared");
}

TEST(ConfigTest, TakesAKeyFromAFile) {
  const TempFolder folder;
  const auto parse = [&](const std::string& keys) {
    return ParseServerConfig(
        "[models.m]\nurl = \"http://x/v1\"\n" + keys, folder.path() / "troupe.toml",
        [](const std::string&) { return std::string("from the environment"); });
  };
  std::ofstream(folder.path() / "good.key") << "  sk-123\r\n\n";
  const auto config = parse("api_key_file = \"good.key\"");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->models[0].api_key, "sk-123");

  std::ofstream(folder.path() / "empty.key") << "\n";
  std::ofstream(folder.path() / "two.key") << "secret-1\nsecret-2\n";
  std::ofstream(folder.path() / "long.key") << "secret-" << std::string(20'000, 'x');
  std::filesystem::create_directory(folder.path() / "folder.key");
  for (const char* wrong : {"none.key", "empty.key", "two.key", "long.key", "folder.key"}) {
    const auto refused = parse(fmt::format("api_key_file = \"{}\"", wrong)).status();
    SCOPED_TRACE(wrong);
    EXPECT_EQ(ReasonOf(refused), Reason::kInvalidField);
    EXPECT_EQ(MetadataOf(refused)["field"], "models.m.api_key_file");
    EXPECT_NE(MessageOf(refused).find((folder.path() / wrong).string()), std::string_view::npos);
    EXPECT_EQ(MessageOf(refused).find("secret"), std::string_view::npos);
  }
  const auto both = parse("api_key_env = \"KEY\"\napi_key_file = \"good.key\"").status();
  EXPECT_EQ(MetadataOf(both)["field"], "models.m.api_key_file");
}

}  // namespace
}  // namespace troupe
