// One call that a provider is asked for: the request as sent, what came of it so far, and who waits
// for it. Confined to the hub's thread, but for its making.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tools/base/suspend.h"
#include "tools/json_schema.h"
#include "tools/tool.h"
#include "troupe/v1/attach.pb.h"

namespace troupe {

struct ProviderSession;

// A file that arrives in pieces.
struct ArrivingFile {
  std::string description;
  std::string bytes;
};

struct AttachedCall {
  std::string id;
  std::string key;       // of the pool that serves it
  std::string subject;   // the tool's name, for errors
  std::string instance;  // of an environment; its operations go to one provider
  bool begins_instance = false;
  bool ends_instance = false;
  bool repeatable = false;
  std::shared_ptr<const JsonSchema> result_schema;  // null: anything
  ToolContext context;
  v1::ProviderCall message;

  Done<ToolResult> done;  // null when nobody waits any more
  std::shared_ptr<ProviderSession> session;
  int attempts = 0;
  absl::Time asked;  // of SteadyNow
  absl::Time sent;

  std::map<std::string, ArrivingFile> arriving;
  int64_t file_bytes = 0;  // of all files, arrived or arriving
  int files = 0;
  int writes_under_way = 0;
  std::vector<Artifact> artifacts;
  std::string partial_output;
  std::string file_problems;
  std::optional<v1::CallResult> result;  // that waits for files to be written
};

// Names a call by what is asked for, so that another life of the server asks by the same name.
std::string CallId(const ToolContext& context, const std::string& key, const std::string& asked);

// Writes a time that is left; nothing less than none.
void SetDuration(absl::Duration from, google::protobuf::Duration* to);

// What a provider answered. kToolFailed, with words for an agent, for a failure or what is no
// answer.
absl::StatusOr<ToolResult> ReadAnswer(const v1::CallResult& answer, AttachedCall& call);

// Adds to the output so far, the end of which is kept.
void AddPartialOutput(std::string_view text, AttachedCall& call);

// Adds a piece of a file; the whole file with its last piece. An error for what is too much.
absl::StatusOr<std::optional<ArrivingFile>> AddPiece(const v1::ArtifactChunk& piece,
                                                     AttachedCall& call);

}  // namespace troupe
