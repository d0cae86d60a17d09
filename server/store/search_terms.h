// The words of a text as the full-text index has them: split and folded by the index's own
// tokenizer. Functions over a connection.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/store/sqlite.h"

namespace troupe {

absl::StatusOr<std::vector<std::string>> SearchTerms(Connection& connection, std::string_view text);

// A search: words that must all occur, and sequences of them that must occur as such.
using Phrase = std::vector<std::string>;
struct SearchQuery {
  std::string full_text;        // in FTS5's syntax, each word quoted
  std::vector<Phrase> phrases;  // of two words or more: the index knows no order
};

// Reads what a person typed: words, "phrases" in double quotes, prefixes with a star at the end; no
// operators. A word that the tokenizer splits ("run-1") is a phrase. kInvalidField (field "query").
absl::StatusOr<SearchQuery> ParseSearch(Connection& connection, const std::string& query);

// Whether each of the phrases occurs in `text`.
absl::StatusOr<bool> HoldsPhrases(Connection& connection, const std::vector<Phrase>& phrases,
                                  const std::string& text);

}  // namespace troupe
