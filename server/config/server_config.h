// The configuration of trouped: one TOML file, every key with a default. docs/configuration.md
// lists them; a key that does not exist is an error.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agents/models/model_config.h"
#include "agents/runtime/permissions.h"
#include "server/providers/provider_limits.h"
#include "tools/mcp/mcp_config.h"
#include "tools/sandbox/sandbox_config.h"

namespace troupe {

struct ServerConfig {
  std::string listen = "127.0.0.1:7433";  // host:port; port 0 chooses a free one
  bool allow_remote_plaintext = false;    // listen on an address others can reach, without TLS
  std::filesystem::path data_folder = "troupe-data";
  int threads = 2;      // that run tasks
  int api_threads = 4;  // that answer calls
  bool reflection = true;
  absl::Duration shutdown_grace = absl::Seconds(8);
  int64_t max_running = 20'000;
  int64_t max_pending = 100'000;
  absl::Duration rest_after = absl::Seconds(30);  // of tasks that wait for a person
  int64_t max_calls = 1000;                       // at work at once, streams not counted
  int64_t max_watchers = 10'000;                  // streams at once
  std::string log_level = "info";

  absl::Duration retention = absl::InfiniteDuration();  // of ended tasks
  absl::Duration give_up = absl::Seconds(60);           // on a store that takes no writes

  std::vector<std::string> allowed_input_folders;
  std::vector<std::string> toolbox_folders;  // besides those that come with the server
  std::vector<std::string> http_allowed_hosts;
  bool http_allow_private_addresses = false;

  std::vector<std::string> tool_libraries;  // shared objects
  int library_threads = 8;                  // on which their tools run

  ProviderLimits providers;

  std::vector<std::string> tool_card_folders;
  int shown_tools = 24;  // to an agent at a time; it searches for others

  std::vector<PermissionRule> permission_rules;  // for the tools of all tasks
  bool tasks_may_loosen = false;                 // whether a task's rules stand over these

  SandboxConfig sandbox;
  std::vector<ModelConfig> models;
  std::map<std::string, std::string> roles;
  std::vector<McpServerConfig> mcp_servers;
};

// `environment` looks up the variables that keys are read from; it returns "" for one that is not
// set. Relative paths are taken from the folder of `file`.
absl::StatusOr<ServerConfig> ParseServerConfig(
    const std::string& text, const std::filesystem::path& file,
    const std::function<std::string(const std::string&)>& environment);
absl::StatusOr<ServerConfig> LoadServerConfig(const std::filesystem::path& file);

}  // namespace troupe
