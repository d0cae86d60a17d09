#include "server/scheduler/copied_files.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

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

// Every artifact by name, with the SHA-256 of what it was, oldest first.
using Versions = std::map<std::string, std::vector<std::string>>;

absl::StatusOr<Versions> VersionsIn(const TaskCopy& copy, Journal& journal) {
  const ReadContentFn read = [&](const std::string& hash) -> absl::StatusOr<std::string> {
    for (const Content& content : copy.contents) {
      if (content.hash == hash) return content.bytes;
    }
    return journal.ReadContent(hash);
  };
  Versions versions;
  for (const SpanRecord* call : ToolCallsByEnd(copy)) {
    ASSIGN_OR_RETURN(const Json result, LoadJson(call->result_hash, ReadOf(*call, read)));
    for (const Json& artifact : JsonArray(result, "artifacts")) {
      versions[JsonString(artifact, "name")].push_back(JsonString(artifact, "sha256"));
    }
  }
  return versions;
}

}  // namespace

absl::Status ShareInputs(const Workspace& from, const Workspace& to) {
  std::error_code error;
  if (!fs::exists(from.inputs(), error)) return absl::OkStatus();
  fs::create_directories(to.inputs(), error);
  if (error) return FileError(to.inputs(), error);
  for (const auto& entry : fs::directory_iterator(from.inputs(), error)) {
    const fs::path target = to.inputs() / entry.path().filename();
    std::error_code linked;
    fs::create_hard_link(entry.path(), target, linked);
    if (linked) fs::copy_file(entry.path(), target, error);
    if (error) return FileError(entry.path(), error);
  }
  return error ? FileError(from.inputs(), error) : absl::OkStatus();
}

absl::Status CopyArtifacts(const TaskCopy& copy, Journal& journal, const Workspace& from,
                           const Workspace& to) {
  std::error_code error;
  fs::create_directories(to.root, error);
  if (error) return FileError(to.root, error);
  if (!fs::exists(from.artifacts(), error)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Versions versions, VersionsIn(copy, journal));
  for (const auto& [name, hashes] : versions) {
    for (const std::string& sha256 : hashes) {
      const auto bytes = ReadArtifactVersion(from, name, sha256);
      if (!bytes.ok()) {
        spdlog::warn("{}: {}", to.root.string(), MessageOf(bytes.status()));
        continue;
      }
      // Putting one after another leaves the last in place and the others among its versions.
      RETURN_IF_ERROR(PutArtifact(to, name, "", *bytes).status());
    }
  }
  // Notebooks among the artifacts read inputs/ beside them.
  fs::create_directory_symlink("../inputs", to.artifacts() / "inputs", error);
  return absl::OkStatus();
}

}  // namespace troupe
