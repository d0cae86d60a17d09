// What a fork or a replay takes over from the record of the task it comes from. Stateless.
//
// A fork is a restart from the moment at which a span began: it finds what a server that had been
// killed at that moment would have found, and goes on from there. "Before" is the order in which
// things happened to the task (its sequences), not the order of paths: of parallel branches, what
// had ended by then is kept, and what was running or came later is done anew. Whatever an effect
// came from ended before it began, so that what is kept is always a whole history.
//
// A replay takes over all effects that ended, and nothing else.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>
#include <vector>

#include "agents/runtime/content.h"
#include "agents/runtime/journal.h"
#include "tools/tool_registry.h"
#include "troupe/v1/task_service.pb.h"

namespace troupe {

struct TaskCopy {
  std::string source;             // the task's id
  std::vector<SpanRecord> spans;  // renumbered densely from 1, in order of their beginnings
  std::vector<Content> contents;  // of a replaced result
  int64_t last_sequence = 0;
};

// All effects of `spans` that ended.
TaskCopy CopyEffects(const std::string& source, const std::vector<SpanRecord>& spans);

// What is in force at the beginning of the span that began at `at` (0: at the end of the record):
// effects and inner spans that had ended, and inner spans that were open, which the fork goes on
// with. Those that had ended are marked as inherited (kInheritedFrom). `now` is when the fork
// begins: an open span began as long before as it had run by then. kNotFound if there is no span.
absl::StatusOr<TaskCopy> CopyBefore(const std::string& source, const std::vector<SpanRecord>& spans,
                                    int64_t at, absl::Time now);

// What checking a replaced result needs.
struct ReplacementRules {
  const ToolRegistry* tools = nullptr;
  ReadContentFn read;
  absl::Time now;
};

// Adds the effect that began at `at`, ended or not, with the result that the request gives.
// kInvalidField if the span is no effect, or the result is none that such an effect has.
absl::Status AddReplaced(TaskCopy& copy, const std::vector<SpanRecord>& spans, int64_t at,
                         const v1::ForkTaskRequest& request, const ReplacementRules& rules);

}  // namespace troupe
