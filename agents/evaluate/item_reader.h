// ItemReader: the items that a task works on, page by page, each page recorded as it is read: the
// task goes on, and is replayed, with what it has seen when the data set is gone. Thread-confined
// to the task's strand.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/evaluate/dataset_source.h"
#include "agents/evaluate/item.h"
#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

// Which items of a data set.
struct ItemSelection {
  std::string dataset;  // as DatasetSource::FindDataset has it
  std::string split;    // empty: all
  int32_t limit = 0;    // 0: all; else so many, drawn by the data set's digest alone
  ItemFields fields;    // empty ones are found
};

// kNotFound or kInvalidField, naming the field of the selection, for one that cannot be. The
// version of the data set and its fields are found.
struct FoundItems {
  DatasetInfo dataset;
  ItemFields fields;
  std::vector<int32_t> numbers;  // ascending
};
absl::StatusOr<FoundItems> FindItems(const DatasetSource& source, const ItemSelection& selection);

class ItemReader {
 public:
  // The effect is "items" in `scope`; `source` outlives the reader.
  static Async<std::shared_ptr<ItemReader>> Open(const Scope& scope, const DatasetSource* source,
                                                 ItemSelection selection);

  const std::string& dataset() const { return found_.dataset.name; }
  const std::string& digest() const { return found_.dataset.digest; }
  const std::vector<std::string>& field_names() const { return found_.dataset.fields; }
  const ItemFields& fields() const { return found_.fields; }
  const std::vector<int32_t>& numbers() const { return found_.numbers; }

  // The item whose number is numbers()[index]; the effect is "items:PAGE" in `scope`, the same
  // scope in every call. A page is kept until another one is read.
  Async<Item> Read(const Scope& scope, size_t index);

 private:
  AsyncStatus ReadPage(const Scope& scope, size_t page);

  const DatasetSource* source_ = nullptr;
  FoundItems found_;
  size_t page_ = 0;  // the one that is kept, from 1; 0: none
  Json kept_;
};

}  // namespace troupe
