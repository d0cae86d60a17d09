// What a fork or a replay takes over from the task it comes from.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "agents/runtime/content.h"
#include "agents/runtime/journal.h"
#include "troupe/v1/task_service.pb.h"

namespace troupe {

struct TaskCopy {
  std::string source;               // the task's id
  std::vector<SpanRecord> effects;  // ended effects, renumbered densely from 1
  std::vector<Content> contents;    // of a replaced result
  int64_t last_sequence = 0;
};

// The effects of `spans` that ended before the span that began at `before` began; all for 0.
TaskCopy CopyEffects(const std::string& source, const std::vector<SpanRecord>& spans,
                     int64_t before);

// Adds the effect that began at `at`, with its result replaced by what the request says.
// kInvalidField if the span is no effect, has not ended, or the replacement is not of its kind.
absl::Status AddReplaced(TaskCopy& copy, const std::vector<SpanRecord>& spans, int64_t at,
                         const v1::ForkTaskRequest& request);

}  // namespace troupe
