// A task as the store keeps it. The spec, the result and the usage are serialized messages that the
// store does not look into.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <string>

namespace troupe {

struct TaskRow {
  int64_t key = 0;   // the store's own
  std::string name;  // the id in tasks/{id}
  std::string kind;
  std::string title;
  int state = 0;             // troupe.v1.Task.State
  std::string spec;          // troupe.v1.TaskSpec
  std::string request_id;    // empty: none
  std::string request_hash;  // of the submitting request
  uint64_t seed = 0;
  absl::Time create_time;
  absl::Time start_time = absl::InfinitePast();  // InfinitePast: not yet
  absl::Time update_time;
  absl::Time end_time = absl::InfinitePast();
  std::string error;   // StatusToText, or empty
  std::string result;  // troupe.v1.TaskResult, or empty
  std::string usage;   // troupe.v1.Usage, when it ended
  std::string forked_from;
  std::string replay_of;
  int64_t revision = 1;
  std::map<std::string, std::string> labels;
};

}  // namespace troupe
