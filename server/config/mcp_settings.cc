#include "server/config/mcp_settings.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxSecret = 16 * 1024;
constexpr size_t kMaxName = 24;  // leaves room for tools' names
using Environment = std::function<std::string(const std::string&)>;

std::string PathFrom(const std::filesystem::path& folder, const std::string& path) {
  return path.empty() || std::filesystem::path(path).is_absolute() ? path
                                                                   : (folder / path).string();
}

bool IsServerName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxName && name[0] >= 'a' && name[0] <= 'z' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

bool IsOneLine(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

bool IsHeaderName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

// A secret that stands alone in a file. What the file holds appears in no error.
absl::StatusOr<std::string> ReadSecret(const TomlTable& table, const std::string& key,
                                       const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string text(kMaxSecret + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  const std::string secret(absl::StripAsciiWhitespace(text));
  if (secret.empty() || text.size() > kMaxSecret || !IsOneLine(secret)) {
    return table.Wrong(
        key, fmt::format("names {}, which must be readable and hold one line", file.string()));
  }
  return secret;
}

absl::Status ReadProcess(TomlTable& table, const std::filesystem::path& folder,
                         const Environment& environment, McpServerConfig& server) {
  RETURN_IF_ERROR(table.Read("command", server.command));
  if (server.command.find('/') != std::string::npos)
    server.command = PathFrom(folder, server.command);
  RETURN_IF_ERROR(table.Read("args", server.args));
  RETURN_IF_ERROR(table.Read("env", server.env));
  RETURN_IF_ERROR(table.Read("env_from", server.secret_variables));
  for (const std::string& name : server.secret_variables) {
    const std::string value = environment(name);
    if (value.empty()) {
      spdlog::warn("mcp.{}.env_from: {} is not set; the server goes without it", server.name, name);
      continue;
    }
    server.env[name] = value;
  }
  RETURN_IF_ERROR(table.Read("cwd", server.cwd));
  server.cwd = PathFrom(folder, server.cwd);
  return absl::OkStatus();
}

absl::Status ReadAddress(TomlTable& table, const std::filesystem::path& folder,
                         const Environment& environment, McpServerConfig& server) {
  RETURN_IF_ERROR(table.Read("url", server.url));
  RETURN_IF_ERROR(table.Read("headers", server.headers));
  std::map<std::string, std::string> variables;
  RETURN_IF_ERROR(table.Read("headers_from_env", variables));
  std::map<std::string, std::string> files;
  RETURN_IF_ERROR(table.Read("headers_from_file", files));
  for (const auto& [header, variable] : variables) {
    const std::string value = environment(variable);
    if (value.empty()) {
      spdlog::warn("mcp.{}.headers_from_env: {} is not set; requests go without {}", server.name,
                   variable, header);
      continue;
    }
    server.headers[header] = value;
    server.secret_headers.push_back(header);
  }
  for (const auto& [header, file] : files) {
    ASSIGN_OR_RETURN(server.headers[header],
                     ReadSecret(table, "headers_from_file", PathFrom(folder, file)));
    server.secret_headers.push_back(header);
  }
  for (const auto& [header, value] : server.headers) {
    if (!IsHeaderName(header) || !IsOneLine(value)) {
      return table.Wrong("headers", fmt::format("'{}' is no header, or its value has more than one "
                                                "line",
                                                header));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadTimes(TomlTable& table, McpServerConfig& server) {
  RETURN_IF_ERROR(table.ReadSeconds("timeout_seconds", server.timeout));
  RETURN_IF_ERROR(table.ReadSeconds("max_seconds", server.max_time));
  RETURN_IF_ERROR(table.ReadSeconds("start_seconds", server.start_time));
  RETURN_IF_ERROR(table.ReadSeconds("question_seconds", server.question_time));
  RETURN_IF_ERROR(table.Read("concurrency", server.concurrency, 1, 10'000));
  return table.Read("restarts", server.restarts, 0, 1'000'000);
}

absl::Status ReadTrust(TomlTable& table, const std::filesystem::path& folder,
                       McpServerConfig& server) {
  RETURN_IF_ERROR(table.Read("tools", server.tools));
  RETURN_IF_ERROR(table.Read("trust_annotations", server.trust_annotations));
  RETURN_IF_ERROR(table.Read("read_only_tools", server.read_only_tools));
  RETURN_IF_ERROR(table.Read("idempotent_tools", server.idempotent_tools));
  RETURN_IF_ERROR(table.Read("nondestructive_tools", server.nondestructive_tools));
  int approval = static_cast<int>(server.approval);
  RETURN_IF_ERROR(table.ReadChoice("approval", {"changed", "always", "never"}, approval));
  server.approval = static_cast<McpApproval>(approval);
  RETURN_IF_ERROR(table.Read("accepted_definitions", server.accepted_definitions));
  RETURN_IF_ERROR(table.Read("elicitation", server.elicitation));
  int sampling = static_cast<int>(server.sampling);
  RETURN_IF_ERROR(table.ReadChoice("sampling", {"ask", "allow", "off"}, sampling));
  server.sampling = static_cast<McpSampling>(sampling);
  RETURN_IF_ERROR(table.Read("workspace_root", server.workspace_root));
  RETURN_IF_ERROR(table.Read("roots", server.roots));
  for (std::string& root : server.roots) root = PathFrom(folder, root);
  return absl::OkStatus();
}

absl::StatusOr<McpServerConfig> ReadMcpServer(TomlTable table, const std::string& name,
                                              const std::filesystem::path& folder,
                                              const Environment& environment) {
  McpServerConfig server;
  server.name = name;
  RETURN_IF_ERROR(ReadProcess(table, folder, environment, server));
  RETURN_IF_ERROR(ReadAddress(table, folder, environment, server));
  int era = static_cast<int>(server.era);
  RETURN_IF_ERROR(table.ReadChoice("era", {"auto", "legacy", "modern"}, era));
  server.era = static_cast<McpEra>(era);
  RETURN_IF_ERROR(ReadTimes(table, server));
  RETURN_IF_ERROR(ReadTrust(table, folder, server));
  RETURN_IF_ERROR(table.CheckAllRead());
  if (server.command.empty() == server.url.empty()) {
    return Error(Reason::kInvalidField,
                 fmt::format("mcp.{}: give either a command, which is started, or a url", name),
                 {{"field", fmt::format("mcp.{}.command", name)}});
  }
  const bool http = server.url.starts_with("http://") || server.url.starts_with("https://");
  if (!server.url.empty() && !http) {
    return Error(Reason::kInvalidField,
                 fmt::format("mcp.{}.url: give an address of http or https", name),
                 {{"field", fmt::format("mcp.{}.url", name)}});
  }
  return server;
}

}  // namespace

absl::StatusOr<std::vector<McpServerConfig>> ReadMcpServers(TomlTable table,
                                                            const std::filesystem::path& folder,
                                                            const Environment& environment) {
  std::vector<McpServerConfig> servers;
  for (const std::string& name : table.TableNames()) {
    if (!IsServerName(name)) {
      return Error(Reason::kInvalidField,
                   fmt::format("mcp.{}: a name begins with a letter and has a-z, 0-9, _ and -, {} "
                               "at most",
                               name, kMaxName),
                   {{"field", "mcp." + name}});
    }
    ASSIGN_OR_RETURN(TomlTable one, table.Table(name));
    ASSIGN_OR_RETURN(McpServerConfig server,
                     ReadMcpServer(std::move(one), name, folder, environment));
    servers.push_back(std::move(server));
  }
  RETURN_IF_ERROR(table.CheckAllRead());
  return servers;
}

}  // namespace troupe
