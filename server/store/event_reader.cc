#include "server/store/event_reader.h"

#include <algorithm>

#include "tools/base/status_macros.h"

namespace troupe {

absl::StatusOr<std::vector<TaskEvent>> ReadTaskEvents(Connection& connection, int64_t task_key,
                                                      int64_t after, int limit) {
  std::vector<TaskEvent> events;
  SpanQuery query;
  query.limit = limit;
  query.numbers = {task_key, after};
  query.where = "s.task = ? AND s.begin_sequence > ?";
  ASSIGN_OR_RETURN(std::vector<StoredSpan> begun, QuerySpans(connection, query));
  events.reserve(begun.size());
  for (StoredSpan& span : begun) {
    events.push_back(
        {span.record.begin_sequence, span.record.begin_time, SpanBegan{std::move(span)}});
  }
  query.where = "e.task = ? AND e.end_sequence > ?";
  query.order = "e.end_sequence";
  ASSIGN_OR_RETURN(std::vector<StoredSpan> ended, QuerySpans(connection, query));
  for (StoredSpan& span : ended) {
    events.push_back(
        {span.record.end_sequence, span.record.end_time, SpanFinished{std::move(span)}});
  }
  ASSIGN_OR_RETURN(std::vector<EventRecord> others, ReadEvents(connection, task_key, after, limit));
  for (EventRecord& event : others) {
    events.push_back({event.sequence, event.time, std::move(event)});
  }
  std::sort(events.begin(), events.end(),
            [](const TaskEvent& a, const TaskEvent& b) { return a.sequence < b.sequence; });
  // Each of the three was cut at the limit: beyond it, or beyond a gap, one of them may lack rows.
  size_t whole = 0;
  while (whole < events.size() && whole < static_cast<size_t>(limit) &&
         events[whole].sequence == after + 1 + static_cast<int64_t>(whole)) {
    ++whole;
  }
  events.resize(whole);
  return events;
}

}  // namespace troupe
