#include "server/store/search_terms.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <memory>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr const char* kTokenizer = "unicode61";

absl::Status NoTokenizer() {
  return Error(Reason::kStoreFailed, "SQLite has no FTS5 with the tokenizer unicode61");
}

absl::StatusOr<fts5_api*> FullTextApi(Connection& connection) {
  fts5_api* api = nullptr;
  ASSIGN_OR_RETURN(Statement statement, connection.Prepare("SELECT fts5(?1)"));
  statement.BindPointer(&api, "fts5_api_ptr");
  RETURN_IF_ERROR(statement.Step().status());
  if (api == nullptr) return NoTokenizer();
  return api;
}

int TakeToken(void* tokens, int, const char* token, int size, int, int) {
  static_cast<std::vector<std::string>*>(tokens)->emplace_back(token, static_cast<size_t>(size));
  return SQLITE_OK;
}

absl::Status AddWords(Connection& connection, const std::string& words, bool prefix,
                      SearchQuery& query) {
  ASSIGN_OR_RETURN(std::vector<std::string> terms, SearchTerms(connection, words));
  for (size_t i = 0; i < terms.size(); ++i) {
    // No term holds a quote: the tokenizer takes letters and digits alone.
    query.full_text += fmt::format("{}\"{}\"{}", query.full_text.empty() ? "" : " ", terms[i],
                                   prefix && i + 1 == terms.size() ? "*" : "");
  }
  if (prefix && !terms.empty()) terms.pop_back();
  if (terms.size() > 1) query.phrases.push_back(std::move(terms));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SearchTerms(Connection& connection,
                                                     std::string_view text) {
  ASSIGN_OR_RETURN(fts5_api * api, FullTextApi(connection));
  void* context = nullptr;
  fts5_tokenizer methods;
  if (api->xFindTokenizer(api, kTokenizer, &context, &methods) != SQLITE_OK) return NoTokenizer();
  Fts5Tokenizer* made = nullptr;
  if (methods.xCreate(context, nullptr, 0, &made) != SQLITE_OK) return NoTokenizer();
  const std::unique_ptr<Fts5Tokenizer, void (*)(Fts5Tokenizer*)> tokenizer(made, methods.xDelete);
  std::vector<std::string> terms;
  const int code = methods.xTokenize(tokenizer.get(), &terms, FTS5_TOKENIZE_QUERY, text.data(),
                                     static_cast<int>(text.size()), TakeToken);
  if (code != SQLITE_OK) return NoTokenizer();
  return terms;
}

absl::StatusOr<SearchQuery> ParseSearch(Connection& connection, const std::string& query) {
  SearchQuery parsed;
  size_t at = 0;
  while (at < query.size()) {
    if (absl::ascii_isspace(static_cast<unsigned char>(query[at]))) {
      ++at;
    } else if (query[at] == '"') {
      const size_t end = query.find('"', at + 1);
      if (end == std::string::npos) {
        return Error(Reason::kInvalidField, "query: a quoted phrase is not closed",
                     {{"field", "query"}});
      }
      RETURN_IF_ERROR(AddWords(connection, query.substr(at + 1, end - at - 1), false, parsed));
      at = end + 1;
    } else {
      const size_t end = std::min(query.find_first_of(" \t\r\n\v\f\"", at), query.size());
      const bool prefix = end - at > 1 && query[end - 1] == '*';
      RETURN_IF_ERROR(
          AddWords(connection, query.substr(at, end - at - (prefix ? 1 : 0)), prefix, parsed));
      at = end;
    }
  }
  if (!parsed.full_text.empty()) return parsed;
  return Error(Reason::kInvalidField, "query: give words to search for", {{"field", "query"}});
}

absl::StatusOr<bool> HoldsPhrases(Connection& connection, const std::vector<Phrase>& phrases,
                                  const std::string& text) {
  ASSIGN_OR_RETURN(const std::vector<std::string> terms, SearchTerms(connection, text));
  return std::all_of(phrases.begin(), phrases.end(), [&](const Phrase& phrase) {
    return std::search(terms.begin(), terms.end(), phrase.begin(), phrase.end()) != terms.end();
  });
}

}  // namespace troupe
