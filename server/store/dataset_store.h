// DatasetStore: data sets in the store, by content: two names whose items are the same share them.
// Thread-safe; reads and writes may block on the disk.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>
#include <vector>

#include "agents/evaluate/dataset_source.h"
#include "server/store/dataset_parser.h"
#include "server/store/store.h"

namespace troupe {

// One version as it is kept.
struct DatasetRecord {
  DatasetInfo info;
  std::string description;
  int64_t size_bytes = 0;  // of the items as JSON
  absl::Time upload_time;
  int64_t key = 0;  // ascends in the order in which names first came
};

struct StoredItem {
  int32_t number = 0;
  std::string split;
  Json fields;
};

class DatasetStore : public DatasetSource {
 public:
  // `store` outlives this. Removes what an upload left that did not end.
  static absl::StatusOr<std::unique_ptr<DatasetStore>> Open(Store* store);

  // Makes `parsed` a version of the data set `name`, the newest one. `existed`: it was one already.
  struct Added {
    DatasetRecord record;
    bool existed = false;
  };
  absl::StatusOr<Added> Add(const std::string& name, const std::string& description,
                            ParsedDataset parsed);

  // As FindDataset.
  absl::StatusOr<DatasetRecord> Get(const std::string& name) const;
  // Digests of all versions under the name, the newest first.
  absl::StatusOr<std::vector<std::string>> Versions(const std::string& dataset) const;
  // The newest version of each whose key is above `after`, by key.
  absl::StatusOr<std::vector<DatasetRecord>> List(int64_t after, int limit) const;
  // Items from the number `first` on, at most `limit` and, but for the first, `max_bytes`.
  absl::StatusOr<std::vector<StoredItem>> ListItems(const DatasetInfo& dataset,
                                                    const std::string& split, int32_t first,
                                                    int limit, size_t max_bytes) const;
  // All versions, or the one that `name` has the digest of. kNotFound if there is none.
  absl::Status Delete(const std::string& name);

  absl::StatusOr<DatasetInfo> FindDataset(const std::string& name) const override;
  absl::StatusOr<std::vector<int32_t>> ItemNumbers(const DatasetInfo& dataset,
                                                   const std::string& split) const override;
  absl::StatusOr<std::vector<Json>> ReadItems(const DatasetInfo& dataset,
                                              const std::vector<int32_t>& numbers) const override;

 private:
  explicit DatasetStore(Store* store) : store_(store) {}

  Store* const store_;
};

// What the {dataset} part of a name must match: kInvalidField, naming `field`, if it does not.
absl::Status CheckDatasetId(const std::string& dataset, std::string_view field);

}  // namespace troupe
