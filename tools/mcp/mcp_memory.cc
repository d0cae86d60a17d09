#include "tools/mcp/mcp_memory.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tools/base/error.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

constexpr size_t kMaxAccepted = 20;  // definitions of one tool

std::string Identity(const McpServerConfig& config) {
  const Json identity = {config.command, config.args, config.cwd, config.url};
  return Sha256Hex(DumpJson(identity));
}

}  // namespace

McpMemory::McpMemory(const std::filesystem::path& folder, const McpServerConfig& config)
    : file_(folder / (config.name + ".json")), config_(config), identity_(Identity(config)) {
  Load();
}

void McpMemory::Load() {
  std::ifstream stream(file_);
  if (!stream) return;
  std::ostringstream text;
  text << stream.rdbuf();
  const auto read = ParseJson(text.str(), file_.string());
  if (!read.ok()) {
    spdlog::warn("mcp.{}: {} is not readable and is made anew", config_.name, file_.string());
    return;
  }
  if (JsonString(*read, "identity") != identity_) return;
  era_ = JsonString(*read, "era") == "modern"   ? McpEra::kModern
         : JsonString(*read, "era") == "legacy" ? McpEra::kLegacy
                                                : McpEra::kAuto;
  for (const Json& tool : JsonArray(*read, "tools")) {
    auto definition = ReadMcpDefinition(tool);
    if (definition.ok()) tools_.push_back(*std::move(definition));
  }
  for (const auto& [name, hashes] : JsonObject(*read, "accepted").items()) {
    for (const Json& hash : hashes) {
      if (hash.is_string()) accepted_[name].insert(hash.get<std::string>());
    }
  }
}

void McpMemory::Save() const {
  Json memory = {{"identity", identity_},
                 {"era", era_ == McpEra::kModern   ? "modern"
                         : era_ == McpEra::kLegacy ? "legacy"
                                                   : "auto"},
                 {"tools", Json::array()},
                 {"accepted", accepted_}};
  for (const McpDefinition& tool : tools_) memory["tools"].push_back(tool.definition);
  std::error_code error;
  std::filesystem::create_directories(file_.parent_path(), error);
  const auto temporary = file_.string() + ".new";
  std::ofstream stream(temporary);
  stream << PrettyJson(memory) << "\n";
  stream.close();
  std::filesystem::rename(temporary, file_, error);
  if (!stream || error) {
    spdlog::warn("mcp.{}: {} cannot be written; its tools are asked for anew at the next start",
                 config_.name, file_.string());
  }
}

void McpMemory::SetEra(McpEra era) {
  if (era_ == era) return;
  era_ = era;
  Save();
}

void McpMemory::SetTools(std::vector<McpDefinition> tools) {
  tools_ = std::move(tools);
  for (const McpDefinition& tool : tools_) {
    std::set<std::string>& hashes = accepted_[tool.name];
    // What is seen first is what the operator set the server up for.
    if (hashes.empty() && config_.approval != McpApproval::kAlways) hashes.insert(tool.sha256);
  }
  Save();
}

bool McpMemory::NeedsApproval(const McpDefinition& definition) const {
  if (config_.approval == McpApproval::kNever) return false;
  const auto& listed = config_.accepted_definitions;
  if (std::find(listed.begin(), listed.end(), definition.sha256) != listed.end()) return false;
  const auto accepted = accepted_.find(definition.name);
  return accepted == accepted_.end() || !accepted->second.contains(definition.sha256);
}

bool McpMemory::Accept(const std::string& identity) {
  const auto tool = std::find_if(tools_.begin(), tools_.end(), [&](const McpDefinition& known) {
    return known.sha256 == identity || McpToolVersion(known, true) == identity;
  });
  if (tool == tools_.end()) return false;
  std::set<std::string>& hashes = accepted_[tool->name];
  if (hashes.size() >= kMaxAccepted) hashes.clear();
  hashes.insert(tool->sha256);
  Save();
  return true;
}

}  // namespace troupe
