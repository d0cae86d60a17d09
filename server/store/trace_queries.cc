#include "server/store/trace_queries.h"

#include <fmt/format.h>

#include <limits>

#include "server/store/search_terms.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Spans that a page looks at when phrases sort out what the index finds.
constexpr int kMostLookedAt = 10'000;

absl::StatusOr<bool> HoldsPhrases(Connection& connection, const SearchQuery& search, int64_t text) {
  if (search.phrases.empty()) return true;
  ASSIGN_OR_RETURN(Statement read,
                   connection.Prepare("SELECT text FROM span_search_source WHERE id = ?"));
  read.Bind(text);
  ASSIGN_OR_RETURN(const bool found, read.Step());
  if (!found) return false;
  return HoldsPhrases(connection, search.phrases, read.Text(0));
}

absl::StatusOr<std::string> SnippetOf(Connection& connection, const SearchQuery& search,
                                      int64_t text) {
  ASSIGN_OR_RETURN(
      Statement read,
      connection.Prepare("SELECT snippet(span_search, 0, '[', ']', '...', 16) FROM span_search "
                         "WHERE span_search MATCH ? AND rowid = ?"));
  read.Bind(search.full_text).Bind(text);
  ASSIGN_OR_RETURN(const bool found, read.Step());
  return found ? read.Text(0) : "";
}

absl::StatusOr<int64_t> SpanOf(Connection& connection, int64_t text) {
  ASSIGN_OR_RETURN(Statement read, connection.Prepare("SELECT span FROM span_texts WHERE id = ?"));
  read.Bind(text);
  RETURN_IF_ERROR(read.Step().status());
  return read.Int(0);
}

const char* GroupExpression(UsageGroup group) {
  switch (group) {
    case UsageGroup::kModel:
      return "CASE WHEN e.model != '' THEN e.model ELSE s.tool END";
    case UsageGroup::kRole:
      return "s.role";
    case UsageGroup::kTool:
      return "s.tool";
    case UsageGroup::kTask:
      return "(SELECT 'tasks/' || name FROM tasks WHERE id = s.task)";
    case UsageGroup::kDay:
      return "date(s.begin_time / 1000000, 'unixepoch')";
  }
  return "''";
}

}  // namespace

absl::StatusOr<SearchPage> SearchSpanText(Connection& connection, const std::string& query,
                                          int64_t task_key, int64_t before, int limit) {
  ASSIGN_OR_RETURN(const SearchQuery search, ParseSearch(connection, query));
  ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare("SELECT rowid FROM span_search WHERE span_search MATCH ?1 AND rowid < ?2 "
                         "AND (?3 = 0 OR rowid IN (SELECT text FROM span_ends WHERE task = ?3)) "
                         "ORDER BY rowid DESC"));
  constexpr int64_t kNewest = std::numeric_limits<int64_t>::max();
  statement.Bind(search.full_text).Bind(before == 0 ? kNewest : before).Bind(task_key);
  SearchPage page;
  for (int looked_at = 0; looked_at < kMostLookedAt; ++looked_at) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    page.next_before = found ? statement.Int(0) : 0;
    if (!found) return page;
    const int64_t text = page.next_before;
    ASSIGN_OR_RETURN(const bool holds, HoldsPhrases(connection, search, text));
    if (!holds) continue;
    ASSIGN_OR_RETURN(std::string snippet, SnippetOf(connection, search, text));
    ASSIGN_OR_RETURN(const int64_t span, SpanOf(connection, text));
    page.hits.push_back({span, std::move(snippet)});
    if (page.hits.size() == static_cast<size_t>(limit)) return page;
  }
  return page;
}

absl::StatusOr<std::vector<UsageSum>> SumUsage(Connection& connection, UsageGroup group,
                                               int64_t task_key, int limit) {
  ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare(fmt::format(
          "SELECT {} AS label, sum(model_calls), sum(tool_calls), sum(input_tokens), "
          "sum(cached_input_tokens), sum(output_tokens), sum(reasoning_tokens), "
          "sum(cost_microusd), sum(model_microseconds), sum(tool_microseconds), max(estimated) "
          "FROM span_ends e JOIN spans s ON s.id = e.span WHERE s.kind != 1 AND (?1 = 0 OR e.task "
          "= ?1) AND (e.model_calls > 0 OR e.tool_calls > 0) GROUP BY label ORDER BY "
          "sum(cost_microusd) DESC, "
          "sum(input_tokens + output_tokens) DESC, label LIMIT ?2",
          GroupExpression(group))));
  statement.Bind(task_key).Bind(static_cast<int64_t>(limit));
  std::vector<UsageSum> sums;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return sums;
    Usage usage;
    usage.model_calls = statement.Int(1);
    usage.tool_calls = statement.Int(2);
    usage.input_tokens = statement.Int(3);
    usage.cached_input_tokens = statement.Int(4);
    usage.output_tokens = statement.Int(5);
    usage.reasoning_tokens = statement.Int(6);
    usage.cost_microusd = statement.Int(7);
    usage.model_time = absl::Microseconds(statement.Int(8));
    usage.tool_time = absl::Microseconds(statement.Int(9));
    usage.estimated = statement.Int(10) != 0;
    sums.push_back({statement.Text(0), usage});
  }
}

}  // namespace troupe
