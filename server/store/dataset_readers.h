// The formats of data sets. Included by the files that read them alone.
#pragma once

#include <functional>
#include <memory>

#include "server/store/dataset_parser.h"

namespace troupe {

using TakeItemFn = std::function<absl::Status(int64_t line, Json fields)>;

class DatasetParser::Reader {
 public:
  virtual ~Reader() = default;
  virtual absl::Status Add(std::string_view bytes) = 0;
  virtual absl::Status Finish() = 0;
};

std::unique_ptr<DatasetParser::Reader> MakeJsonlReader(const DatasetLimits& limits,
                                                       TakeItemFn take);
std::unique_ptr<DatasetParser::Reader> MakeCsvReader(const DatasetLimits& limits, TakeItemFn take);

// kInvalidField at a place in the data; `column` 0: the whole line.
absl::Status WrongData(int64_t line, int64_t column, std::string_view what);

}  // namespace troupe
