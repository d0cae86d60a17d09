// DatasetParser: items of a data set from the bytes of a file, piece by piece as they come. Items
// are packed as they are read, so that memory holds the compressed data set and no more.
// Thread-compatible. Data sets are untrusted: everything is bounded, and what is wrong is said with
// line and column.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

enum class DatasetFormat { kJsonl, kCsv };

struct DatasetLimits {
  int64_t bytes = 64 * 1024 * 1024;
  int32_t items = 100'000;
  size_t item_bytes = 256 * 1024;  // as JSON
  size_t fields = 256;             // of one item, and of all together
};

// How items come to their splits: by a field, by shares, or not at all.
struct SplitRule {
  std::string field;
  std::vector<std::pair<std::string, double>> shares;  // drawn by the items' content
};

// kInvalidField for names or shares that cannot be.
absl::Status CheckSplitRule(const SplitRule& rule);

// Items that stand together in a row of the store.
struct DatasetPage {
  int32_t first = 0;  // number of its first item, from 1
  int32_t count = 0;
  int64_t size = 0;   // see Packed::SizeColumn
  std::string bytes;  // a JSON array of the items, packed
};

struct ParsedDataset {
  std::string digest;  // SHA-256 of the items and their splits
  int32_t items = 0;
  int64_t size_bytes = 0;  // of the items as JSON
  std::vector<std::string> fields;
  std::map<std::string, int32_t> splits;
  std::vector<std::string> split_names;  // in the order of their places in item_splits
  std::string item_splits;               // a byte for each item: 0 none, else its place from 1
  std::vector<DatasetPage> pages;
};

class DatasetParser {
 public:
  DatasetParser(DatasetFormat format, SplitRule rule, DatasetLimits limits = {});
  DatasetParser(const DatasetParser&) = delete;
  DatasetParser& operator=(const DatasetParser&) = delete;
  ~DatasetParser();

  // kInvalidField, with line and column, for what cannot be read and beyond a limit. After a
  // failure there is nothing more to be had.
  absl::Status Add(std::string_view bytes);
  absl::StatusOr<ParsedDataset> Finish();

  // A reader of one format, which hands over every item with the line it begins on.
  class Reader;

 private:
  absl::Status TakeItem(int64_t line, Json fields);
  absl::StatusOr<int> SplitOf(int64_t line, const Json& fields, const std::string& canonical);
  void ClosePage();

  const SplitRule rule_;
  const DatasetLimits limits_;
  std::unique_ptr<Reader> reader_;
  int64_t bytes_ = 0;
  std::set<std::string> known_fields_;
  std::string digests_;    // of all items, one after another
  std::string page_text_;  // the open page
  int32_t page_first_ = 1;
  ParsedDataset parsed_;
};

}  // namespace troupe
