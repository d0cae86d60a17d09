// Resource names of the API taken apart. Stateless functions; kInvalidField with the field "name"
// (or as told) for a name of another shape.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

struct SpanName {
  std::string task;
  int64_t span = 0;  // 0: the name is a task's
};

// "tasks/{task}"
absl::StatusOr<std::string> ParseTaskName(std::string_view name, std::string_view field = "name");
// "tasks/{task}" or "tasks/{task}/spans/{span}"
absl::StatusOr<SpanName> ParseTaskOrSpan(std::string_view name);
// "tasks/{task}" or "tasks/{task}/questions/{question}"
absl::StatusOr<SpanName> ParseTaskOrQuestion(std::string_view name);
// "tasks/{task}/artifacts/{file}", or "tasks/{task}/artifacts/{room}/{file}" of a file in a room.
struct ArtifactName {
  std::string task;
  std::string file;  // as ArtifactPath (tools/room.h) takes it, with the room before it
};
absl::StatusOr<ArtifactName> ParseArtifactName(std::string_view name);
// "tasks/{task}", "tasks/-" or "": empty for all tasks.
absl::StatusOr<std::string> ParseParent(std::string_view parent);
// "{collection}/{id}", the id of one segment.
absl::StatusOr<std::string> ParseIn(std::string_view collection, std::string_view name,
                                    std::string_view field = "name");

}  // namespace troupe
