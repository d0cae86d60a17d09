#include "tools/mcp/mcp_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/mcp/http_transport.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr std::string_view kModernVersion = "2026-07-28";
constexpr std::string_view kLegacyVersions[] = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                "2024-11-05"};
// A server over pipes that knows nothing of the modern era may say nothing at all.
constexpr absl::Duration kLongestProbe = absl::Seconds(10);
constexpr int kMaxPages = 200;
constexpr size_t kMaxTools = 2000;
constexpr size_t kMaxName = 100;

Json ClientInfo() { return {{"name", "troupe"}, {"title", "Troupe"}, {"version", "0.1.0"}}; }

Json ModernMeta(const McpServerConfig& config) {
  return {{"io.modelcontextprotocol/protocolVersion", kModernVersion},
          {"io.modelcontextprotocol/clientInfo", ClientInfo()},
          {"io.modelcontextprotocol/clientCapabilities", McpClientCapabilities(config)}};
}

std::string NameOf(const Json& info) {
  return PlainText(fmt::format("{} {}", JsonString(info, "name", "?"), JsonString(info, "version")),
                   kMaxName);
}

bool Lists(const Json& versions, std::string_view wanted) {
  return versions.is_array() &&
         std::find(versions.begin(), versions.end(), wanted) != versions.end();
}

absl::Status NoCommonVersion(const McpServerConfig& config, const std::string& its) {
  return Error(Reason::kToolFailed,
               fmt::format("the MCP server {} speaks none of the revisions that are known here "
                           "({}, {}), but {}",
                           config.name, kModernVersion, fmt::join(kLegacyVersions, ", "),
                           PlainText(its, kMaxName)),
               {{"server", config.name}});
}

McpRequest OpeningRequest(std::string method, Json params, absl::Duration time) {
  McpRequest request;
  request.method = std::move(method);
  request.params = std::move(params);
  request.quiet_time = request.max_time = time;
  return request;
}

// Whether an error can only come from a server of the modern era.
bool IsModernError(const absl::Status& status) {
  const int64_t code = RpcCodeOf(status);
  return code == kMcpHeaderMismatch || code == kMcpMissingCapability ||
         code == kMcpUnsupportedVersion;
}

Async<McpSession> OpenModern(std::shared_ptr<McpPeer> peer, McpServerConfig config,
                             absl::Duration time) {
  peer->transport().SetVersion(McpEra::kModern, std::string(kModernVersion));
  peer->SetMeta(ModernMeta(config));
  CO_ASSIGN_OR_RETURN(const Json found, co_await peer->Request(OpeningRequest(
                                            "server/discover", Json::object(), time)));
  const Json& versions = JsonMember(found, "supportedVersions");
  if (!versions.is_array()) {
    co_return absl::InvalidArgumentError("the reply to server/discover names no versions");
  }
  if (!Lists(versions, kModernVersion)) co_return NoCommonVersion(config, DumpJson(versions));
  McpSession session;
  session.era = McpEra::kModern;
  session.version = kModernVersion;
  session.capabilities = JsonObject(found, "capabilities");
  session.server =
      NameOf(JsonObject(JsonObject(found, "_meta"), "io.modelcontextprotocol/serverInfo"));
  co_return session;
}

Async<McpSession> OpenLegacy(std::shared_ptr<McpPeer> peer, McpServerConfig config,
                             absl::Duration time) {
  // The first request carries no version: it is what is agreed on here.
  peer->transport().SetVersion(McpEra::kLegacy, "");
  peer->SetMeta(Json::object());
  Json params = {{"protocolVersion", kLegacyVersions[0]},
                 {"capabilities", McpClientCapabilities(config)},
                 {"clientInfo", ClientInfo()}};
  CO_ASSIGN_OR_RETURN(const Json opened, co_await peer->Request(OpeningRequest(
                                             "initialize", std::move(params), time)));
  McpSession session;
  session.version = JsonString(opened, "protocolVersion");
  if (std::find(std::begin(kLegacyVersions), std::end(kLegacyVersions), session.version) ==
      std::end(kLegacyVersions)) {
    co_return NoCommonVersion(config, session.version);
  }
  session.capabilities = JsonObject(opened, "capabilities");
  session.server = NameOf(JsonObject(opened, "serverInfo"));
  peer->transport().SetVersion(McpEra::kLegacy, session.version);
  CO_RETURN_IF_ERROR(co_await peer->Notify("notifications/initialized", Json::object()));
  co_return session;
}

}  // namespace

std::string_view McpEraName(McpEra era) {
  switch (era) {
    case McpEra::kAuto:
      return "auto";
    case McpEra::kLegacy:
      return "legacy";
    case McpEra::kModern:
      return "modern";
  }
  return "auto";
}

Json McpClientCapabilities(const McpServerConfig& config) {
  Json capabilities = Json::object();
  if (config.elicitation) capabilities["elicitation"] = {{"form", Json::object()}};
  if (config.sampling != McpSampling::kOff) capabilities["sampling"] = Json::object();
  if (config.workspace_root || !config.roots.empty()) capabilities["roots"] = Json::object();
  return capabilities;
}

Async<McpSession> OpenMcpSession(std::shared_ptr<McpPeer> peer, McpServerConfig config, McpEra era,
                                 absl::Duration time) {
  if (era == McpEra::kLegacy) co_return co_await OpenLegacy(peer, config, time);
  if (era == McpEra::kModern) co_return co_await OpenModern(peer, config, time);
  const absl::Time start = SteadyNow();
  const absl::Duration probe = std::min(time / 3, kLongestProbe);
  auto modern = co_await OpenModern(peer, config, probe);
  if (modern.ok() || peer->closed() || IsUnreachable(modern.status())) co_return modern;
  if (IsModernError(modern.status())) {
    // It may still have a legacy revision that we know.
    const Json supported = JsonMember(RpcDataOf(modern.status()), "supported");
    const bool common =
        std::any_of(std::begin(kLegacyVersions), std::end(kLegacyVersions),
                    [&](std::string_view version) { return Lists(supported, version); });
    if (!common) co_return modern;
  }
  auto legacy = co_await OpenLegacy(peer, config, time - (SteadyNow() - start));
  if (legacy.ok() || peer->closed() || RpcCodeOf(legacy.status()) == 0) co_return legacy;
  // A modern server that was slow to start refuses the handshake, and answers now.
  auto late = co_await OpenModern(peer, config, time - (SteadyNow() - start));
  if (late.ok()) co_return late;
  co_return legacy;
}

Async<std::vector<Json>> ListMcpTools(std::shared_ptr<McpPeer> peer, std::string server,
                                      absl::Duration time) {
  const absl::Time deadline = SteadyNow() + time;
  std::vector<Json> tools;
  std::set<std::string> cursors;
  Json params = Json::object();
  for (int page = 0; page < kMaxPages; ++page) {
    McpRequest request = OpeningRequest("tools/list", params, deadline - SteadyNow());
    CO_ASSIGN_OR_RETURN(const Json listed, co_await peer->Request(std::move(request)));
    for (const Json& tool : JsonArray(listed, "tools")) tools.push_back(tool);
    const std::string cursor = JsonString(listed, "nextCursor");
    if (cursor.empty()) co_return tools;
    if (!cursors.insert(cursor).second || tools.size() > kMaxTools) break;
    params["cursor"] = cursor;
  }
  co_return Error(Reason::kToolFailed,
                  fmt::format("the MCP server {} lists more than {} tools, or the same page again",
                              server, kMaxTools),
                  {{"server", server}});
}

}  // namespace troupe
