// DatasetSource: where algorithms read data sets. A version of a data set never changes; what a
// task reads of it is recorded all the same (ReadItems in item_reader.h), so that a task goes on,
// and is replayed, when the data set is gone. Thread-safe; reads may block on the disk.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

// One version of a data set.
struct DatasetInfo {
  std::string name;    // the {dataset} of "datasets/{dataset}"
  std::string digest;  // 64 hexadecimal digits
  int32_t items = 0;
  std::vector<std::string> fields;        // of all items
  std::map<std::string, int32_t> splits;  // and how many items each has
};

class DatasetSource {
 public:
  virtual ~DatasetSource() = default;

  // `name` is "datasets/{dataset}", which is its newest version, or "datasets/{dataset}@{digest}"
  // with at least 8 digits. kNotFound if there is none, kInvalidField for another shape.
  virtual absl::StatusOr<DatasetInfo> FindDataset(const std::string& name) const = 0;

  // The numbers (from 1) of the items in `split`, ascending; of all with an empty one.
  virtual absl::StatusOr<std::vector<int32_t>> ItemNumbers(const DatasetInfo& dataset,
                                                           const std::string& split) const = 0;

  // The fields of the items with these numbers, which ascend.
  virtual absl::StatusOr<std::vector<Json>> ReadItems(
      const DatasetInfo& dataset, const std::vector<int32_t>& numbers) const = 0;
};

}  // namespace troupe
