// Questions about many spans: search and sums. Functions over a connection.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/store/journal_table.h"

namespace troupe {

struct SearchHit {
  int64_t span_key = 0;
  std::string snippet;
};
struct SearchPage {
  std::vector<SearchHit> hits;
  int64_t next_before = 0;  // where the next page goes on; 0: this was the last
};

// Spans that hold all the words and phrases, the last to end first, at most `limit`; of those
// behind `before`, which a page before told (0: all). A page may be short, or empty, before the
// last: a phrase looks at a bounded number of spans. `task_key` 0: of all tasks. kInvalidField for
// a query that cannot be read.
absl::StatusOr<SearchPage> SearchSpanText(Connection& connection, const std::string& query,
                                          int64_t task_key, int64_t before, int limit);

enum class UsageGroup { kModel, kRole, kTool, kTask, kDay };
struct UsageSum {
  std::string group;
  Usage usage;
};
// Sums over effects, the most expensive first, at most `limit` groups. `task_key` 0: of all tasks.
absl::StatusOr<std::vector<UsageSum>> SumUsage(Connection& connection, UsageGroup group,
                                               int64_t task_key, int limit);

}  // namespace troupe
