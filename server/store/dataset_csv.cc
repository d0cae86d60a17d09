// Data sets as CSV by RFC 4180, read by libcsv in its strict mode.
#include <csv.h>
#include <fmt/format.h>

#include <algorithm>

#include "server/store/dataset_readers.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// White space is part of a field, as the RFC has it.
int NoSpace(unsigned char) { return 0; }

bool IsUtf8(const std::string& text) {
  try {
    return !Json(text).dump().empty();
  } catch (const Json::exception&) {
    return false;
  }
}

class CsvReader : public DatasetParser::Reader {
 public:
  CsvReader(const DatasetLimits& limits, TakeItemFn take)
      : limits_(limits), take_(std::move(take)) {
    csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_space_func(&parser_, &NoSpace);
  }
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;
  ~CsvReader() override { csv_free(&parser_); }

  // Line by line, so that it is known where a row begins and where it breaks off.
  absl::Status Add(std::string_view bytes) override {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      const std::string_view piece = bytes.substr(0, end == std::string_view::npos ? end : end + 1);
      const size_t read = csv_parse(&parser_, piece.data(), piece.size(), &OnField, &OnRow, this);
      RETURN_IF_ERROR(failure_);
      if (read != piece.size()) {
        return WrongData(line_, column_ + static_cast<int64_t>(read),
                         "has a quote where none may be: a field with quotes in it stands in "
                         "quotes, each of its own written twice");
      }
      if (row_bytes_ + csv_get_buffer_size(&parser_) > 2 * limits_.item_bytes) {
        return WrongData(row_line_, 0,
                         fmt::format("begins a row of over {} bytes", 2 * limits_.item_bytes));
      }
      if (end == std::string_view::npos) {
        column_ += static_cast<int64_t>(piece.size());
      } else {
        ++line_;
        column_ = 1;
        if (row_.empty() && parser_.entry_pos == 0 && !parser_.quoted) row_line_ = line_;
      }
      bytes.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (csv_fini(&parser_, &OnField, &OnRow, this) != 0) {
      return WrongData(row_line_, 0, "begins a row that ends within quotes");
    }
    return failure_;
  }

 private:
  static void OnField(void* text, size_t size, void* self) {
    auto& reader = *static_cast<CsvReader*>(self);
    reader.row_bytes_ += size;
    reader.row_.emplace_back(static_cast<const char*>(text), size);
  }
  static void OnRow(int, void* self) { static_cast<CsvReader*>(self)->EndRow(); }

  void EndRow() {
    std::vector<std::string> row;
    row.swap(row_);
    row_bytes_ = 0;
    if (failure_.ok()) failure_ = names_.empty() ? TakeNames(std::move(row)) : TakeRow(row);
  }

  absl::Status TakeNames(std::vector<std::string> names) {
    if (names.size() > limits_.fields) {
      return WrongData(row_line_, 0, fmt::format("has over {} fields", limits_.fields));
    }
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i].empty() || !IsUtf8(names[i])) {
        return WrongData(row_line_, 0, fmt::format("gives field {} no name", i + 1));
      }
      if (std::count(names.begin(), names.end(), names[i]) > 1) {
        return WrongData(row_line_, 0, fmt::format("names two fields '{}'", names[i]));
      }
    }
    names_ = std::move(names);
    return absl::OkStatus();
  }

  absl::Status TakeRow(const std::vector<std::string>& row) {
    if (row.size() != names_.size()) {
      return WrongData(
          row_line_, 0,
          fmt::format("has {} fields, the first line names {}", row.size(), names_.size()));
    }
    Json fields = Json::object();
    for (size_t i = 0; i < row.size(); ++i) {
      if (!IsUtf8(row[i])) {
        return WrongData(row_line_, 0, fmt::format("field '{}' is not UTF-8", names_[i]));
      }
      fields[names_[i]] = row[i];
    }
    return take_(row_line_, std::move(fields));
  }

  const DatasetLimits limits_;
  const TakeItemFn take_;
  csv_parser parser_;
  std::vector<std::string> names_;
  std::vector<std::string> row_;
  size_t row_bytes_ = 0;
  int64_t line_ = 1;
  int64_t column_ = 1;
  int64_t row_line_ = 1;
  absl::Status failure_;
};

}  // namespace

std::unique_ptr<DatasetParser::Reader> MakeCsvReader(const DatasetLimits& limits, TakeItemFn take) {
  return std::make_unique<CsvReader>(limits, std::move(take));
}

}  // namespace troupe
