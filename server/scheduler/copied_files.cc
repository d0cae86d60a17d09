#include "server/scheduler/copied_files.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/room.h"

namespace troupe {
namespace {

namespace fs = std::filesystem;

absl::Status FileError(const fs::path& path, const std::error_code& error) {
  return Error(Reason::kStoreFailed,
               fmt::format("copying {} failed: {}", path.string(), error.message()));
}

// The tool calls that ended well, in the order in which they ended.
std::vector<const SpanRecord*> ToolCallsByEnd(const TaskCopy& copy) {
  std::vector<const SpanRecord*> calls;
  for (const SpanRecord& span : copy.spans) {
    if (span.kind == SpanKind::kToolCall && !span.result_hash.empty()) calls.push_back(&span);
  }
  std::sort(calls.begin(), calls.end(), [](const SpanRecord* a, const SpanRecord* b) {
    return a->end_sequence < b->end_sequence;
  });
  return calls;
}

// Every artifact by room ("" for the task itself) and name, with the SHA-256 of what it was, oldest
// first.
using Versions = std::map<std::pair<std::string, std::string>, std::vector<std::string>>;

// The room in which the call at `path` was made: that of the span nearest above it that has one.
std::string RoomOf(const Workspace& task, std::string path) {
  std::error_code ignored;
  while (!path.empty()) {
    const std::string room = RoomName(path);
    if (fs::exists(RoomIn(task, room).root, ignored)) return room;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
  return "";
}

absl::StatusOr<Versions> VersionsIn(const TaskCopy& copy, Journal& journal, const Workspace& from) {
  const ReadContentFn read = [&](const Hash& hash) -> absl::StatusOr<std::string> {
    for (const Content& content : copy.contents) {
      if (content.hash == hash) return content.bytes;
    }
    return journal.ReadContent(hash);
  };
  Versions versions;
  for (const SpanRecord* call : ToolCallsByEnd(copy)) {
    ASSIGN_OR_RETURN(const Json result, LoadJson(call->result_hash, ReadOf(*call, read)));
    const Json artifacts = JsonArray(result, "artifacts");
    if (artifacts.empty()) continue;
    const std::string room = RoomOf(from, call->path);
    for (const Json& artifact : artifacts) {
      versions[{room, JsonString(artifact, "name")}].push_back(JsonString(artifact, "sha256"));
    }
  }
  return versions;
}

}  // namespace

absl::Status CopyArtifacts(const TaskCopy& copy, Journal& journal, const Workspace& from,
                           const Workspace& to) {
  std::error_code error;
  fs::create_directories(to.root, error);
  if (error) return FileError(to.root, error);
  ASSIGN_OR_RETURN(const Versions versions, VersionsIn(copy, journal, from));
  for (const auto& [place, hashes] : versions) {
    const auto& [room, name] = place;
    RETURN_IF_ERROR(PrepareRoom(to, room));
    for (const std::string& sha256 : hashes) {
      const auto bytes = ReadArtifactVersion(RoomIn(from, room), name, sha256);
      if (!bytes.ok()) {
        spdlog::warn("{}: {}", to.root.string(), MessageOf(bytes.status()));
        continue;
      }
      // Putting one after another leaves the last in place and the others among its versions.
      RETURN_IF_ERROR(PutArtifact(RoomIn(to, room), name, "", *bytes).status());
    }
  }
  if (!fs::exists(to.artifacts(), error)) return absl::OkStatus();
  // Notebooks among the artifacts read inputs/ beside them.
  fs::create_directory_symlink("../inputs", to.artifacts() / "inputs", error);
  return absl::OkStatus();
}

}  // namespace troupe
