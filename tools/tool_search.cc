#include "tools/tool_search.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <set>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxWords = 64;  // of a query: a long request is cut
constexpr size_t kMinWord = 2;

// Words that stand in nearly every request and say nothing of what it needs.
const std::set<std::string>& EmptyWords() {
  static const auto* const words = new std::set<std::string>{
      "the", "and", "for", "with",   "that", "this", "are", "was",   "what", "which",
      "how", "who", "you", "your",   "from", "into", "all", "any",   "has",  "have",
      "not", "is",  "of",  "to",     "in",   "on",   "at",  "by",    "an",   "as",
      "it",  "be",  "or",  "can",    "does", "do",   "its", "their", "them", "me",
      "my",  "i",   "a",   "please", "tool", "tools"};
  return *words;
}

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (static_cast<unsigned char>(c) & 0x80);
}

// "Count the beers!" as "count" OR "beers", for FTS5: quoted, so that nothing in it is an operator.
std::string MatchExpression(std::string_view query) {
  std::string expression;
  std::set<std::string> seen;
  std::string word;
  const auto take = [&] {
    if (word.size() >= kMinWord && !EmptyWords().contains(word) && seen.size() < kMaxWords &&
        seen.insert(word).second) {
      expression += fmt::format("{}\"{}\"", expression.empty() ? "" : " OR ", word);
    }
    word.clear();
  };
  for (char c : query) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (IsWordByte(c)) {
      word += c;
    } else {
      take();
    }
  }
  take();
  return expression;
}

// "weather.get_forecast" and "getForecast" as words of their own.
std::string Spaced(const std::string& name) {
  std::string spaced;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && i > 0 && name[i - 1] >= 'a' && name[i - 1] <= 'z') spaced += ' ';
    spaced += c == '.' || c == '_' || c == '-' ? ' ' : c;
  }
  return spaced;
}

using Database = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;
using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

absl::Status Failed(sqlite3* database) {
  return Error(Reason::kInternal, fmt::format("searching tools: {}", sqlite3_errmsg(database)));
}

absl::StatusOr<Statement> Prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return Failed(database);
  }
  return Statement(statement, sqlite3_finalize);
}

void Bind(sqlite3_stmt* statement, int place, const std::string& text) {
  sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

absl::StatusOr<Database> MakeIndex(const std::vector<SearchedTool>& tools) {
  sqlite3* opened = nullptr;
  const int result = sqlite3_open(":memory:", &opened);
  Database database(opened, sqlite3_close);
  if (result != SQLITE_OK) return Failed(opened);
  // Porter's stemmer, so that "forecasts" finds "forecast".
  const char* const make =
      "CREATE VIRTUAL TABLE cards USING fts5(name, brief, description, "
      "tokenize = 'porter unicode61'); BEGIN";
  if (sqlite3_exec(opened, make, nullptr, nullptr, nullptr) != SQLITE_OK) return Failed(opened);
  ASSIGN_OR_RETURN(const Statement insert,
                   Prepare(opened,
                           "INSERT INTO cards (rowid, name, brief, description) "
                           "VALUES (?, ?, ?, ?)"));
  for (size_t i = 0; i < tools.size(); ++i) {
    sqlite3_reset(insert.get());
    sqlite3_bind_int64(insert.get(), 1, static_cast<int64_t>(i) + 1);
    Bind(insert.get(), 2, Spaced(tools[i].name));
    Bind(insert.get(), 3, tools[i].brief);
    Bind(insert.get(), 4, tools[i].description);
    if (sqlite3_step(insert.get()) != SQLITE_DONE) return Failed(opened);
  }
  return database;
}

}  // namespace

absl::StatusOr<std::vector<size_t>> SearchTools(const std::vector<SearchedTool>& tools,
                                                std::string_view query, size_t limit) {
  std::vector<size_t> places;
  const std::string expression = MatchExpression(query);
  if (expression.empty() || tools.empty() || limit == 0) return places;
  ASSIGN_OR_RETURN(const Database database, MakeIndex(tools));
  // A word in the name tells more than one in the brief, and that more than one in the description.
  ASSIGN_OR_RETURN(const Statement search,
                   Prepare(database.get(),
                           "SELECT rowid FROM cards WHERE cards MATCH ? "
                           "ORDER BY bm25(cards, 8.0, 4.0, 1.0), rowid LIMIT ?"));
  Bind(search.get(), 1, expression);
  sqlite3_bind_int64(search.get(), 2, static_cast<int64_t>(limit));
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(search.get())) == SQLITE_ROW) {
    places.push_back(static_cast<size_t>(sqlite3_column_int64(search.get(), 0) - 1));
  }
  if (step != SQLITE_DONE) return Failed(database.get());
  return places;
}

}  // namespace troupe
