#include "server/scheduler/resource_name.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/room.h"

namespace troupe {
namespace {

std::vector<std::string> Segments(std::string_view name) {
  return absl::StrSplit(std::string(name), '/');
}

absl::Status Malformed(std::string_view name, std::string_view shape,
                       std::string_view field = "name") {
  return Error(Reason::kInvalidField,
               fmt::format("{}: '{}' is not of the form {}", field, name, shape),
               {{"field", std::string(field)}});
}

// Names become names of folders: nothing but what CheckTaskId lets in may pass.
bool IsTaskId(std::string_view id) {
  const auto fits = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  };
  return !id.empty() && id.size() <= 63 && id[0] != '-' && std::all_of(id.begin(), id.end(), fits);
}

absl::StatusOr<SpanName> ParseNested(std::string_view name, std::string_view collection) {
  const std::string shape =
      fmt::format("tasks/{{task}} or tasks/{{task}}/{}/{{number}}", collection);
  const auto segments = Segments(name);
  if (segments[0] != "tasks" || segments.size() < 2 || !IsTaskId(segments[1])) {
    return Malformed(name, shape);
  }
  if (segments.size() == 2) return SpanName{segments[1], 0};
  SpanName parsed{segments[1], 0};
  if (segments.size() != 4 || segments[2] != collection ||
      !absl::SimpleAtoi(segments[3], &parsed.span) || parsed.span <= 0) {
    return Malformed(name, shape);
  }
  return parsed;
}

}  // namespace

absl::StatusOr<std::string> ParseTaskName(std::string_view name, std::string_view field) {
  const auto segments = Segments(name);
  if (segments.size() != 2 || segments[0] != "tasks" || !IsTaskId(segments[1])) {
    return Malformed(name, "tasks/{task}", field);
  }
  return segments[1];
}

absl::StatusOr<SpanName> ParseTaskOrSpan(std::string_view name) {
  return ParseNested(name, "spans");
}

absl::StatusOr<SpanName> ParseTaskOrQuestion(std::string_view name) {
  return ParseNested(name, "questions");
}

absl::StatusOr<ArtifactName> ParseArtifactName(std::string_view name) {
  const auto segments = Segments(name);
  const bool in_room = segments.size() == 5;
  const std::string& file = segments.back();
  if ((segments.size() != 4 && !in_room) || segments[0] != "tasks" || !IsTaskId(segments[1]) ||
      segments[2] != "artifacts" || (in_room && !IsRoomName(segments[3])) || file.empty() ||
      file == "." || file == "..") {
    return Malformed(name, "tasks/{task}/artifacts/{file} or tasks/{task}/artifacts/{room}/{file}");
  }
  return ArtifactName{segments[1], ArtifactInRoom(in_room ? segments[3] : "", file)};
}

absl::StatusOr<std::string> ParseParent(std::string_view parent) {
  if (parent.empty() || parent == "tasks/-") return "";
  return ParseTaskName(parent, "parent");
}

absl::StatusOr<std::string> ParseIn(std::string_view collection, std::string_view name,
                                    std::string_view field) {
  const auto segments = Segments(name);
  if (segments.size() != 2 || segments[0] != collection || segments[1].empty()) {
    return Malformed(name, fmt::format("{}/{{id}}", collection), field);
  }
  return segments[1];
}

}  // namespace troupe
