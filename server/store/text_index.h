// TextIndex: what full-text search finds spans by. SQLite's index is cheap to write for many texts
// at once and dear for one: each transaction leaves a piece of its own, which is merged with others
// later. So texts are put off until there are some, or somebody searches, or nothing else is to be
// done. They are durable meanwhile (span_texts), and a store that is opened puts into the index
// what was put off when it was left.
//
// Confined to whoever writes (StoreWriter), but for behind().
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/store/writer.h"

namespace troupe {

class TextIndex : public StoreWriter::Deferred {
 public:
  // Adds the text with an id of span_texts, greater than all before, or puts that off.
  absl::Status Add(Connection& connection, int64_t id, const std::string& text);
  // Adds all that was put off.
  absl::Status CatchUp(Connection& connection);
  // Adds what is in the store and not in the index. For a store that was just opened.
  static absl::Status AddMissing(Connection& connection);

  // Whether durable texts are put off. Any thread.
  bool behind() const { return behind_.load(); }

  absl::Status Begin(Connection& connection, bool at_once) override;
  absl::Status Finish(Connection& connection, bool all) override;
  void Committed() override;
  bool HasPutOff() const override { return behind(); }

 private:
  bool at_once_ = true;
  std::vector<std::pair<int64_t, std::string>> texts_;  // in the order of their ids
  size_t bytes_ = 0;                                    // of those not added yet
  size_t durable_ = 0;  // the first of them: their rows are committed
  size_t added_ = 0;    // the first of them: this transaction has put them into the index
  std::atomic<bool> behind_ = false;
};

}  // namespace troupe
