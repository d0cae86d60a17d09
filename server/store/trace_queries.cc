#include "server/store/trace_queries.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// The user's words as an FTS5 query: each word and each quoted phrase as a string of its own, so
// that FTS5's operators have no meaning; a star at the end of a word searches by prefix.
absl::StatusOr<std::string> ToFullTextQuery(const std::string& query) {
  std::string out;
  size_t at = 0;
  const auto add = [&](const std::string& words, bool prefix) {
    if (words.empty()) return;
    std::string quoted;
    for (char c : words) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    out += fmt::format("{}\"{}\"{}", out.empty() ? "" : " ", quoted, prefix ? "*" : "");
  };
  while (at < query.size()) {
    if (absl::ascii_isspace(query[at])) {
      ++at;
    } else if (query[at] == '"') {
      const size_t end = query.find('"', at + 1);
      if (end == std::string::npos) {
        return Error(Reason::kInvalidField, "query: a quoted phrase is not closed",
                     {{"field", "query"}});
      }
      add(query.substr(at + 1, end - at - 1), false);
      at = end + 1;
    } else {
      size_t end = at;
      while (end < query.size() && !absl::ascii_isspace(query[end]) && query[end] != '"') ++end;
      std::string word = query.substr(at, end - at);
      const bool prefix = word.size() > 1 && word.back() == '*';
      if (prefix) word.pop_back();
      add(word, prefix);
      at = end;
    }
  }
  if (out.empty()) {
    return Error(Reason::kInvalidField, "query: give words to search for", {{"field", "query"}});
  }
  return out;
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

absl::StatusOr<std::vector<SearchHit>> SearchSpanText(Connection& connection,
                                                      const std::string& query, int64_t task_key,
                                                      int64_t offset, int limit) {
  ASSIGN_OR_RETURN(const std::string full_text, ToFullTextQuery(query));
  ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare("SELECT rowid, bm25(span_search), snippet(span_search, 0, '[', ']', "
                         "'...', 16) FROM span_search WHERE span_search MATCH ?1 AND (?2 = 0 OR "
                         "rowid IN (SELECT id FROM spans WHERE task = ?2)) ORDER BY rank LIMIT ?3 "
                         "OFFSET ?4"));
  statement.Bind(full_text).Bind(task_key).Bind(static_cast<int64_t>(limit)).Bind(offset);
  std::vector<SearchHit> hits;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return hits;
    hits.push_back({statement.Int(0), statement.Double(1), statement.Text(2)});
  }
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
