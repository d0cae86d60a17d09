#include "server/store/text_index.h"

#include <spdlog/spdlog.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// As many as make it cheap, and no more, as all of a batch wait for them. SQLite writes its index
// by itself when a mebibyte has come together.
constexpr size_t kMostPutOff = 512;
constexpr size_t kMostBytesPutOff = 1024 * 1024;

absl::Status Insert(Connection& connection, int64_t id, const std::string& text) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO span_search (rowid, text) VALUES (?, ?)"));
  insert.Bind(id).BindKept(text);
  return insert.Run();
}

}  // namespace

absl::Status TextIndex::Add(Connection& connection, int64_t id, const std::string& text) {
  if (at_once_) return Insert(connection, id, text);
  texts_.emplace_back(id, text);
  bytes_ += text.size();
  return absl::OkStatus();
}

absl::Status TextIndex::CatchUp(Connection& connection) {
  for (; added_ < texts_.size(); ++added_) {
    RETURN_IF_ERROR(Insert(connection, texts_[added_].first, texts_[added_].second));
  }
  bytes_ = 0;
  return absl::OkStatus();
}

absl::Status TextIndex::AddMissing(Connection& connection) {
  // Every text of the index has a row there.
  ASSIGN_OR_RETURN(Statement missing,
                   connection.Prepare("SELECT id, text FROM span_search_source WHERE id > (SELECT "
                                      "ifnull(max(id), 0) FROM span_search_docsize) ORDER BY id"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, missing.Step());
    if (!found) return absl::OkStatus();
    RETURN_IF_ERROR(Insert(connection, missing.Int(0), missing.Text(1)));
  }
}

absl::Status TextIndex::Begin(Connection& connection, bool at_once) {
  // What the transaction before left behind was undone with it.
  texts_.resize(durable_);
  added_ = 0;
  bytes_ = 0;
  for (const auto& [id, text] : texts_) bytes_ += text.size();
  at_once_ = at_once;
  if (!at_once) return absl::OkStatus();
  // Those that come now have greater ids.
  const absl::Status caught_up = CatchUp(connection);
  if (caught_up.ok() || HasReason(caught_up, Reason::kStoreReadOnly)) return caught_up;
  spdlog::error("{} texts are not found by search: {}", texts_.size(), MessageOf(caught_up));
  texts_.clear();
  added_ = durable_ = bytes_ = 0;
  return absl::OkStatus();
}

absl::Status TextIndex::Finish(Connection& connection, bool all) {
  const bool many = texts_.size() - added_ >= kMostPutOff || bytes_ >= kMostBytesPutOff;
  return all || many ? CatchUp(connection) : absl::OkStatus();
}

void TextIndex::Committed() {
  texts_.erase(texts_.begin(), texts_.begin() + static_cast<ptrdiff_t>(added_));
  added_ = 0;
  durable_ = texts_.size();
  behind_ = !texts_.empty();
}

}  // namespace troupe
