// A task's events in order: beginnings and ends of spans, and what else was recorded, merged by
// sequence. Functions over a connection.
#pragma once

#include <absl/status/statusor.h>

#include <variant>
#include <vector>

#include "server/store/journal_table.h"
#include "server/store/sqlite.h"

namespace troupe {

struct SpanBegan {
  StoredSpan span;
};
struct SpanFinished {
  StoredSpan span;
};

struct TaskEvent {
  int64_t sequence = 0;
  absl::Time time;
  std::variant<SpanBegan, SpanFinished, EventRecord> what;
};

// At most `limit` events with sequences above `after`, without a gap among them.
absl::StatusOr<std::vector<TaskEvent>> ReadTaskEvents(Connection& connection, int64_t task_key,
                                                      int64_t after, int limit);

}  // namespace troupe
