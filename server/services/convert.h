// The store's rows as the API's messages. Stateless functions.
#pragma once

#include "server/scheduler/live_task.h"
#include "server/scheduler/task_manager.h"
#include "server/store/journal_table.h"
#include "troupe/v1/span.pb.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

google::protobuf::Timestamp TimestampOf(absl::Time time);

enum class TaskDetail { kFull, kListed };
// Artifact paths are made absolute below `workspace`.
v1::Task TaskMessage(const LiveTask::Snapshot& snapshot, const Workspace& workspace,
                     TaskDetail detail);

// BASIC view.
v1::Span SpanMessage(const StoredSpan& span);
// Adds request and response to a span; a content that is gone is left out.
void AddContents(const StoredSpan& span, const ReadContentFn& read, v1::Span& message);

}  // namespace troupe
