#include <gtest/gtest.h>

#include "server/config/server_config.h"
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
      {"[store]\ngive_up_seconds = -1", "store.give_up_seconds"},
      {"[roles]\ndefault = 3", "roles"},
  };
  for (const auto& [text, field] : wrong) {
    const auto config = Parse(text);
    EXPECT_EQ(ReasonOf(config.status()), Reason::kInvalidField) << text;
    EXPECT_EQ(MetadataOf(config.status())["field"], field) << text;
  }
  EXPECT_FALSE(Parse("[server").ok());
}

}  // namespace
}  // namespace troupe
