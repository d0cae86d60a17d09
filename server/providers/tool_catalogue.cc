#include "server/providers/tool_catalogue.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "server/providers/offers.h"
#include "tools/base/error.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr absl::Duration kRemembered = absl::Hours(7 * 24);

}  // namespace

absl::StatusOr<std::vector<KnownTool>> ReadToolCatalogue(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) return std::vector<KnownTool>();
  std::ostringstream text;
  text << stream.rdbuf();
  ASSIGN_OR_RETURN(const Json stored, ParseJson(text.str(), file.string()));
  std::vector<KnownTool> tools;
  for (const Json& each : JsonArray(stored, "tools")) {
    KnownTool tool;
    ASSIGN_OR_RETURN(tool.spec, SpecFromJson(JsonMember(each, "spec")));
    tool.last_seen = absl::FromUnixSeconds(JsonInt(each, "last_seen"));
    if (absl::Now() - tool.last_seen < kRemembered) tools.push_back(std::move(tool));
  }
  return tools;
}

absl::Status WriteToolCatalogue(const std::filesystem::path& file,
                                const std::vector<KnownTool>& tools) {
  Json stored = {{"tools", Json::array()}};
  for (const KnownTool& tool : tools) {
    stored["tools"].push_back(
        {{"spec", SpecJson(tool.spec)}, {"last_seen", absl::ToUnixSeconds(tool.last_seen)}});
  }
  const std::filesystem::path fresh = file.string() + ".new";
  std::ofstream stream(fresh);
  stream << DumpJson(stored) << "\n";
  stream.close();
  std::error_code error;
  if (stream) {
    RETURN_IF_ERROR(SyncToDisk(fresh));
    std::filesystem::rename(fresh, file, error);
  }
  if (stream && !error) return SyncToDisk(file.parent_path());
  return Error(Reason::kStoreFailed, fmt::format("{} cannot be written", file.string()));
}

}  // namespace troupe
