// Reading and writing spans, events and contents. Functions over a connection, for the store alone.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "agents/runtime/journal.h"
#include "server/store/sqlite.h"

namespace troupe {

struct Indexes;

// Appends an entry. kNotFound if the task is gone, kStoreFailed if it ends a span that never began.
// Its texts and contents go to `indexes`, those of all who append to the store; null: into the
// store's at once, where nobody else does or the entry has no contents.
absl::Status AppendEntry(Connection& connection, const JournalEntry& entry,
                         Indexes* indexes = nullptr);

// Whether a span may be open of those that entries of the chain began: false only if none is. For
// whoever writes.
bool MayHaveOpenSpans(const EntryChain& chain);

// A span with the store's own keys.
struct StoredSpan {
  int64_t key = 0;
  std::string task;  // the task's id
  SpanRecord record;
};

// Spans of a query: `where` is SQL over tasks t, spans s and their ends e (all of them NULL for a
// span that has not ended), with its values bound in order.
struct SpanQuery {
  std::string where = "1";
  std::vector<std::string> texts;  // bound first
  std::vector<int64_t> numbers;    // bound next
  std::string order = "s.begin_sequence";
  int64_t limit = 1'000'000'000;
};
absl::StatusOr<std::vector<StoredSpan>> QuerySpans(Connection& connection, const SpanQuery& query);

absl::StatusOr<int64_t> LastSequenceOf(Connection& connection, int64_t task_key);

// kNotFound if the content with the id has not the hash, or there is none.
absl::StatusOr<std::string> ReadContentById(Connection& connection, int64_t id, const Hash& hash);

// Events with a sequence above `after`, in order, at most `limit`.
absl::StatusOr<std::vector<EventRecord>> ReadEvents(Connection& connection, int64_t task_key,
                                                    int64_t after, int limit);

}  // namespace troupe
