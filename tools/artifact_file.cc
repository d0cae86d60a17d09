#include "tools/artifact_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int64_t kMaxArtifactBytes = int64_t{1024} * 1024 * 1024;

absl::Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return Error(Reason::kToolFailed, fmt::format("{}: {}", folder.string(), error.message()));
}

}  // namespace

absl::StatusOr<Artifact> PutArtifact(const Workspace& workspace, std::string name,
                                     std::string description, const std::string& bytes) {
  Artifact artifact;
  artifact.name = std::move(name);
  artifact.description = std::move(description);
  artifact.media_type = MediaTypeOf(artifact.name);
  artifact.size_bytes = static_cast<int64_t>(bytes.size());
  artifact.sha256 = Sha256Hex(bytes);
  RETURN_IF_ERROR(MakeFolder(workspace.artifacts()));
  const auto before = ReadBeneath(workspace.artifacts(), artifact.name, kMaxArtifactBytes);
  if (before.ok()) {
    const std::string sha256 = Sha256Hex(*before);
    if (sha256 == artifact.sha256) return artifact;
    RETURN_IF_ERROR(MakeFolder(workspace.versions()));
    RETURN_IF_ERROR(WriteBeneath(workspace.versions(), sha256, *before));
  }
  RETURN_IF_ERROR(WriteBeneath(workspace.artifacts(), artifact.name, bytes));
  return artifact;
}

absl::StatusOr<std::string> ReadArtifactVersion(const Workspace& workspace, const std::string& name,
                                                const std::string& sha256) {
  auto bytes = ReadBeneath(workspace.artifacts(), name, kMaxArtifactBytes);
  if (bytes.ok() && Sha256Hex(*bytes) == sha256) return bytes;
  bytes = ReadBeneath(workspace.versions(), sha256, kMaxArtifactBytes);
  if (bytes.ok() && Sha256Hex(*bytes) == sha256) return bytes;
  return Error(Reason::kNotFound,
               fmt::format("the artifact '{}' is no longer there as it was written", name),
               {{"file", name}, {"sha256", sha256}});
}

}  // namespace troupe
