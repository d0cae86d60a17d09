// TextIndex: what full-text search finds spans by. SQLite's index wants its rows in the order of
// their keys: before one that comes out of order it writes what it holds, as a piece of its own
// that must be merged later. Spans end in another order than they begin, so the texts of a
// transaction are put off to its end and then added in order.
//
// Thread-confined, to the store's writer. A task is deleted only after what it wrote is durable, so
// no text is put off of a span that goes in the same transaction.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/store/writer.h"

namespace troupe {

class TextIndex : public StoreWriter::Deferred {
 public:
  // Adds the text of a span, or puts that off.
  absl::Status Add(Connection& connection, int64_t span_key, const std::string& text);

  void Begin(bool at_once) override;
  absl::Status Finish(Connection& connection) override;

 private:
  bool at_once_ = true;
  std::vector<std::pair<int64_t, std::string>> texts_;  // by span key
};

}  // namespace troupe
