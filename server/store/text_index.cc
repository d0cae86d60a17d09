#include "server/store/text_index.h"

#include <algorithm>

#include "tools/base/status_macros.h"

namespace troupe {
namespace {

absl::Status Insert(Connection& connection, int64_t span_key, const std::string& text) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO span_search (rowid, text) VALUES (?, ?)"));
  insert.Bind(span_key).Bind(text);
  return insert.Run();
}

}  // namespace

absl::Status TextIndex::Add(Connection& connection, int64_t span_key, const std::string& text) {
  if (at_once_) return Insert(connection, span_key, text);
  texts_.emplace_back(span_key, text);
  return absl::OkStatus();
}

void TextIndex::Begin(bool at_once) {
  at_once_ = at_once;
  texts_.clear();
}

absl::Status TextIndex::Finish(Connection& connection) {
  std::sort(texts_.begin(), texts_.end());
  for (const auto& [key, text] : texts_) RETURN_IF_ERROR(Insert(connection, key, text));
  texts_.clear();
  return absl::OkStatus();
}

}  // namespace troupe
