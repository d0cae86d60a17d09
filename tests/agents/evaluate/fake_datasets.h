// Data sets in memory, which count how often they are read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agents/evaluate/dataset_source.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"

namespace troupe {

class FakeDatasets : public DatasetSource {
 public:
  void Put(const std::string& name, std::vector<Json> items) {
    DatasetInfo info;
    info.name = name;
    info.digest = Sha256Hex(DumpJson(items));
    info.items = static_cast<int32_t>(items.size());
    for (const auto& [field, value] : items.at(0).items()) info.fields.push_back(field);
    info.splits["even"] = info.items / 2;
    sets_[name] = {info, std::move(items)};
  }
  void Clear() { sets_.clear(); }

  absl::StatusOr<DatasetInfo> FindDataset(const std::string& name) const override {
    const auto found = sets_.find(name.substr(name.find('/') + 1));
    if (found == sets_.end()) return Error(Reason::kNotFound, "no such data set", {{"name", name}});
    return found->second.first;
  }
  absl::StatusOr<std::vector<int32_t>> ItemNumbers(const DatasetInfo& dataset,
                                                   const std::string& split) const override {
    std::vector<int32_t> numbers;
    for (int32_t number = 1; number <= dataset.items; ++number) {
      if (split.empty() || number % 2 == 0) numbers.push_back(number);
    }
    return numbers;
  }
  absl::StatusOr<std::vector<Json>> ReadItems(const DatasetInfo& dataset,
                                              const std::vector<int32_t>& numbers) const override {
    const auto found = sets_.find(dataset.name);
    if (found == sets_.end()) return Error(Reason::kNotFound, "the data set is gone");
    std::vector<Json> items;
    for (const int32_t number : numbers) {
      items.push_back(found->second.second.at(static_cast<size_t>(number) - 1));
    }
    read += static_cast<int>(numbers.size());
    most_at_once = std::max(most_at_once, static_cast<int>(numbers.size()));
    return items;
  }

  mutable int read = 0;          // items
  mutable int most_at_once = 0;  // in one call

 private:
  std::map<std::string, std::pair<DatasetInfo, std::vector<Json>>> sets_;
};

}  // namespace troupe
