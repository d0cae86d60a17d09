#include "server/config/server_config.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "server/config/mcp_settings.h"
#include "server/config/toml_table.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int64_t kMany = 1'000'000'000'000;
constexpr size_t kMaxApiKey = 16 * 1024;
using Environment = std::function<std::string(const std::string&)>;

std::filesystem::path From(const std::filesystem::path& folder, const std::string& path) {
  return std::filesystem::path(path).is_absolute() ? std::filesystem::path(path) : folder / path;
}

absl::Status ReadLogLevel(TomlTable& table, std::string& level) {
  const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error"};
  int chosen = -1;
  RETURN_IF_ERROR(table.ReadChoice("log_level", levels, chosen));
  if (chosen >= 0) level = levels[static_cast<size_t>(chosen)];
  return absl::OkStatus();
}

absl::Status ReadServer(TomlTable table, const std::filesystem::path& folder,
                        ServerConfig& config) {
  RETURN_IF_ERROR(table.Read("listen", config.listen));
  RETURN_IF_ERROR(table.Read("allow_remote_plaintext", config.allow_remote_plaintext));
  std::string data_folder = config.data_folder.string();
  RETURN_IF_ERROR(table.Read("data_folder", data_folder));
  config.data_folder = From(folder, data_folder);
  RETURN_IF_ERROR(table.Read("threads", config.threads, 1, 256));
  RETURN_IF_ERROR(table.Read("api_threads", config.api_threads, 1, 256));
  RETURN_IF_ERROR(table.Read("reflection", config.reflection));
  RETURN_IF_ERROR(table.ReadSeconds("shutdown_grace_seconds", config.shutdown_grace));
  RETURN_IF_ERROR(table.Read("max_running", config.max_running, 1, kMany));
  RETURN_IF_ERROR(table.Read("max_pending", config.max_pending, 0, kMany));
  RETURN_IF_ERROR(table.ReadSeconds("rest_after_seconds", config.rest_after));
  RETURN_IF_ERROR(table.Read("max_calls", config.max_calls, 1, 1'000'000));
  RETURN_IF_ERROR(table.Read("max_watchers", config.max_watchers, 1, 1'000'000));
  RETURN_IF_ERROR(ReadLogLevel(table, config.log_level));
  return table.CheckAllRead();
}

absl::Status ReadStore(TomlTable table, ServerConfig& config) {
  double retention_days = std::numeric_limits<double>::infinity();
  RETURN_IF_ERROR(table.Read("retention_days", retention_days));
  if (!(retention_days > 0)) {
    return table.Wrong("retention_days",
                       "must be more than 0; without it, tasks are kept for ever");
  }
  config.retention = absl::Hours(24) * retention_days;
  RETURN_IF_ERROR(table.ReadSeconds("give_up_seconds", config.give_up));
  return table.CheckAllRead();
}

absl::Status ReadProviders(TomlTable table, ProviderLimits& providers) {
  RETURN_IF_ERROR(table.Read("max_providers", providers.max_providers, 0, 10'000));
  RETURN_IF_ERROR(table.ReadSeconds("grace_seconds", providers.grace));
  RETURN_IF_ERROR(table.ReadSeconds("heartbeat_seconds", providers.heartbeat));
  RETURN_IF_ERROR(table.Read("max_waiting_calls", providers.max_waiting_calls, 0, 10'000'000));
  return table.CheckAllRead();
}

absl::Status ReadPermissions(TomlTable table, ServerConfig& config) {
  RETURN_IF_ERROR(table.Read("tasks_may_loosen", config.tasks_may_loosen));
  ASSIGN_OR_RETURN(std::vector<TomlTable> rules, table.Tables("rules"));
  for (TomlTable& given : rules) {
    PermissionRule rule;
    int decision = -1;
    RETURN_IF_ERROR(given.ReadChoice("decision", {"allow", "ask", "deny"}, decision));
    if (decision < 0) return given.Wrong("decision", "is missing: give allow, ask or deny");
    rule.permission = static_cast<Permission>(decision);
    RETURN_IF_ERROR(given.Read("tool", rule.tool));
    RETURN_IF_ERROR(given.Read("roles", rule.roles));
    RETURN_IF_ERROR(given.Read("reason", rule.reason));
    std::string arguments;
    RETURN_IF_ERROR(given.Read("arguments_schema", arguments));
    if (!arguments.empty()) {
      auto schema = ParseJson(arguments, "it");
      if (!schema.ok()) {
        return given.Wrong("arguments_schema",
                           fmt::format("must be a JSON Schema: {}", MessageOf(schema.status())));
      }
      rule.arguments_schema = *std::move(schema);
    }
    RETURN_IF_ERROR(given.CheckAllRead());
    config.permission_rules.push_back(std::move(rule));
  }
  // The patterns and schemas are tried here, so that what is wrong shows when the server starts.
  RETURN_IF_ERROR(PermissionRules::Compile(config.permission_rules, "permissions.rules").status());
  return table.CheckAllRead();
}

absl::Status ReadSandbox(TomlTable table, SandboxConfig& sandbox) {
  RETURN_IF_ERROR(table.Read("memory_mb", sandbox.memory_mb, 64, 1 << 20));
  RETURN_IF_ERROR(table.Read("processes", sandbox.processes, 1, 100'000));
  RETURN_IF_ERROR(table.Read("file_mb", sandbox.file_mb, 1, 1 << 20));
  RETURN_IF_ERROR(table.Read("workspace_mb", sandbox.workspace_mb, 1, 1 << 24));
  RETURN_IF_ERROR(table.Read("output_kb", sandbox.output_kb, 1, 1 << 20));
  RETURN_IF_ERROR(table.Read("figures", sandbox.figures, 0, 1000));
  RETURN_IF_ERROR(table.Read("idle_states", sandbox.idle_states, 1, 1000));
  RETURN_IF_ERROR(table.ReadSeconds("cell_seconds", sandbox.cell_time));
  RETURN_IF_ERROR(table.ReadSeconds("cpu_seconds", sandbox.cpu_time));
  RETURN_IF_ERROR(table.Read("task_mb", sandbox.task_mb, 1, 1 << 24));
  RETURN_IF_ERROR(table.Read("python", sandbox.python));
  RETURN_IF_ERROR(table.Read("r_home", sandbox.r_home));
  RETURN_IF_ERROR(table.Read("bubblewrap", sandbox.bubblewrap));
  RETURN_IF_ERROR(table.Read("preload", sandbox.preload));
  RETURN_IF_ERROR(table.Read("extra_folders", sandbox.extra_folders));
  return table.CheckAllRead();
}

absl::Status ReadCapabilities(TomlTable& table, ModelConfig& model) {
  RETURN_IF_ERROR(table.Read("images", model.capabilities.images));
  RETURN_IF_ERROR(table.Read("tools", model.capabilities.tools));
  RETURN_IF_ERROR(table.Read("logprobs", model.capabilities.logprobs));
  RETURN_IF_ERROR(table.Read("seed", model.capabilities.seed));
  RETURN_IF_ERROR(table.Read("context_tokens", model.capabilities.context_tokens, 0, kMany));
  int dialect = 0;
  RETURN_IF_ERROR(table.ReadChoice("reply_schema", {"openai", "llamacpp", "none"}, dialect));
  model.schema_dialect = static_cast<SchemaDialect>(dialect);
  model.capabilities.reply_schema = model.schema_dialect != SchemaDialect::kNone;
  RETURN_IF_ERROR(table.Read("token_limit_field", model.token_limit_field));
  return table.Read("default_max_tokens", model.default_max_tokens, 1, kMany);
}

absl::Status ReadManners(TomlTable& table, ModelConfig& model) {
  RETURN_IF_ERROR(table.Read("input_price", model.price.input, 0, kMany));
  RETURN_IF_ERROR(table.Read("cached_input_price", model.price.cached_input, 0, kMany));
  RETURN_IF_ERROR(table.Read("output_price", model.price.output, 0, kMany));
  RETURN_IF_ERROR(table.Read("concurrency", model.limits.concurrency, 0, 1'000'000));
  RETURN_IF_ERROR(table.Read("requests_per_minute", model.limits.requests_per_minute, 0, kMany));
  RETURN_IF_ERROR(table.Read("tokens_per_minute", model.limits.tokens_per_minute, 0, kMany));
  RETURN_IF_ERROR(table.Read("max_waiting", model.limits.max_waiting, 0, 100'000'000));
  RETURN_IF_ERROR(table.Read("attempts", model.retries.attempts, 1, 100));
  RETURN_IF_ERROR(table.ReadSeconds("first_wait_seconds", model.retries.first_wait));
  RETURN_IF_ERROR(table.ReadSeconds("longest_wait_seconds", model.retries.longest_wait));
  RETURN_IF_ERROR(table.ReadSeconds("connect_seconds", model.timeouts.connect));
  RETURN_IF_ERROR(table.ReadSeconds("first_byte_seconds", model.timeouts.first_byte));
  RETURN_IF_ERROR(table.ReadSeconds("idle_seconds", model.timeouts.idle));
  return table.ReadSeconds("total_seconds", model.timeouts.total);
}

// A key comes from the environment or from a file: never from the configuration itself, which is
// shown and copied more freely. What the file holds appears in no error.
absl::Status ReadApiKey(TomlTable& table, const std::filesystem::path& folder,
                        const Environment& environment, ModelConfig& model) {
  std::string variable;
  std::string name;
  RETURN_IF_ERROR(table.Read("api_key_env", variable));
  RETURN_IF_ERROR(table.Read("api_key_file", name));
  if (!variable.empty() && !name.empty()) {
    return table.Wrong("api_key_file", "and api_key_env are both given: give one");
  }
  if (!variable.empty()) {
    model.api_key = environment(variable);
    if (model.api_key.empty()) {
      spdlog::warn("models.{}.api_key_env: {} is not set; requests go without a key", model.name,
                   variable);
    }
  }
  if (name.empty()) return absl::OkStatus();
  const auto file = From(folder, name);
  std::ifstream stream(file);
  std::string text(kMaxApiKey + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (stream.bad() || (!stream.eof() && text.empty())) {
    return table.Wrong("api_key_file", fmt::format("names {}, which cannot be read: it must be a "
                                                   "file that the server's user may read",
                                                   file.string()));
  }
  const auto key = absl::StripAsciiWhitespace(text);
  const bool one_word = std::none_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isspace(c) || absl::ascii_iscntrl(c);
  });
  if (key.empty() || text.size() > kMaxApiKey || !one_word) {
    return table.Wrong(
        "api_key_file",
        fmt::format("names {}, which must hold one key and nothing else", file.string()));
  }
  model.api_key = std::string(key);
  return absl::OkStatus();
}

absl::StatusOr<ModelConfig> ReadModel(TomlTable table, const std::string& name,
                                      const std::filesystem::path& folder,
                                      const Environment& environment) {
  ModelConfig model;
  model.name = name;
  model.model = name;
  int kind = 0;
  RETURN_IF_ERROR(table.ReadChoice("kind", {"openai", "anthropic", "recorded", "fallback"}, kind));
  model.kind = static_cast<ModelKind>(kind);
  RETURN_IF_ERROR(table.Read("url", model.url));
  RETURN_IF_ERROR(table.Read("model", model.model));
  RETURN_IF_ERROR(ReadApiKey(table, folder, environment, model));
  RETURN_IF_ERROR(table.Read("anthropic_version", model.anthropic_version));
  RETURN_IF_ERROR(table.Read("stream", model.stream));
  RETURN_IF_ERROR(ReadCapabilities(table, model));
  RETURN_IF_ERROR(ReadManners(table, model));
  RETURN_IF_ERROR(table.Read("recording", model.recording));
  if (!model.recording.empty()) model.recording = From(folder, model.recording).string();
  RETURN_IF_ERROR(table.Read("record_to", model.record_to));
  if (!model.record_to.empty()) model.record_to = From(folder, model.record_to).string();
  RETURN_IF_ERROR(table.Read("fallbacks", model.fallbacks));
  RETURN_IF_ERROR(table.CheckAllRead());
  const bool remote = model.kind == ModelKind::kOpenAi || model.kind == ModelKind::kAnthropic;
  if (remote && model.url.empty()) {
    return Error(Reason::kInvalidField,
                 fmt::format("models.{}.url: give the server's address, up to and with /v1", name),
                 {{"field", fmt::format("models.{}.url", name)}});
  }
  while (model.url.ends_with('/')) model.url.pop_back();
  return model;
}

}  // namespace

absl::StatusOr<ServerConfig> ParseServerConfig(const std::string& text,
                                               const std::filesystem::path& file,
                                               const Environment& environment) {
  ServerConfig config;
  const std::filesystem::path folder = file.parent_path();
  ASSIGN_OR_RETURN(TomlTable root, TomlTable::Parse(text, file.string()));
  ASSIGN_OR_RETURN(TomlTable server, root.Table("server"));
  RETURN_IF_ERROR(ReadServer(std::move(server), folder, config));
  ASSIGN_OR_RETURN(TomlTable store, root.Table("store"));
  RETURN_IF_ERROR(ReadStore(std::move(store), config));
  ASSIGN_OR_RETURN(TomlTable inputs, root.Table("inputs"));
  RETURN_IF_ERROR(inputs.Read("allowed_folders", config.allowed_input_folders));
  RETURN_IF_ERROR(inputs.CheckAllRead());
  for (std::string& path : config.allowed_input_folders) path = From(folder, path).string();
  ASSIGN_OR_RETURN(TomlTable toolboxes, root.Table("toolboxes"));
  RETURN_IF_ERROR(toolboxes.Read("folders", config.toolbox_folders));
  RETURN_IF_ERROR(toolboxes.CheckAllRead());
  for (std::string& path : config.toolbox_folders) path = From(folder, path).string();
  ASSIGN_OR_RETURN(TomlTable http, root.Table("http_tool"));
  RETURN_IF_ERROR(http.Read("allowed_hosts", config.http_allowed_hosts));
  RETURN_IF_ERROR(http.Read("allow_private_addresses", config.http_allow_private_addresses));
  RETURN_IF_ERROR(http.CheckAllRead());
  ASSIGN_OR_RETURN(TomlTable tools, root.Table("tools"));
  RETURN_IF_ERROR(tools.Read("libraries", config.tool_libraries));
  RETURN_IF_ERROR(tools.Read("library_threads", config.library_threads, 1, 1000));
  RETURN_IF_ERROR(tools.Read("cards", config.tool_card_folders));
  RETURN_IF_ERROR(tools.Read("shown", config.shown_tools, 1, 128));
  RETURN_IF_ERROR(tools.CheckAllRead());
  for (std::string& path : config.tool_libraries) path = From(folder, path).string();
  for (std::string& path : config.tool_card_folders) path = From(folder, path).string();
  ASSIGN_OR_RETURN(TomlTable providers, root.Table("providers"));
  RETURN_IF_ERROR(ReadProviders(std::move(providers), config.providers));
  ASSIGN_OR_RETURN(TomlTable permissions, root.Table("permissions"));
  RETURN_IF_ERROR(ReadPermissions(std::move(permissions), config));
  ASSIGN_OR_RETURN(TomlTable sandbox, root.Table("sandbox"));
  RETURN_IF_ERROR(ReadSandbox(std::move(sandbox), config.sandbox));
  ASSIGN_OR_RETURN(TomlTable models, root.Table("models"));
  for (const std::string& name : models.TableNames()) {
    ASSIGN_OR_RETURN(TomlTable table, models.Table(name));
    ASSIGN_OR_RETURN(ModelConfig model, ReadModel(std::move(table), name, folder, environment));
    config.models.push_back(std::move(model));
  }
  RETURN_IF_ERROR(models.CheckAllRead());
  RETURN_IF_ERROR(root.Read("roles", config.roles));
  ASSIGN_OR_RETURN(TomlTable mcp, root.Table("mcp"));
  ASSIGN_OR_RETURN(config.mcp_servers, ReadMcpServers(std::move(mcp), folder, environment));
  RETURN_IF_ERROR(root.CheckAllRead());
  return config;
}

absl::StatusOr<ServerConfig> LoadServerConfig(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (stream) stream.peek();  // a folder can be opened, but not read
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream.is_open() || stream.bad()) {
    return Error(Reason::kInvalidField,
                 fmt::format("the configuration {} cannot be read", file.string()),
                 {{"file", file.string()}});
  }
  return ParseServerConfig(text.str(), std::filesystem::absolute(file),
                           [](const std::string& name) -> std::string {
                             const char* value = std::getenv(name.c_str());
                             return value == nullptr ? "" : value;
                           });
}

}  // namespace troupe
