#include "server/store/dataset_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/store/dataset_readers.h"
#include "server/store/packed.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kPageBytes = 128 * 1024;
constexpr int32_t kPageItems = 64;
constexpr size_t kMaxSplits = 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsSplitName(const std::string& name) {
  if (name.empty() || name.size() > 63) return false;
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return letter(name[0]) && std::all_of(name.begin(), name.end(),
                                        [&](char c) { return letter(c) || c == '_' || c == '-'; });
}

absl::Status Wrong(std::string_view field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what),
               {{"field", std::string(field)}});
}

// 0 to 1, by the item's content alone.
double DrawOf(const std::string& canonical) {
  constexpr double kAll = 18446744073709551616.0;  // 2^64
  return static_cast<double>(Sha256Prefix(canonical)) / kAll;
}

}  // namespace

absl::Status WrongData(int64_t line, int64_t column, std::string_view what) {
  ErrorMetadata metadata = {{"field", "chunk"}, {"line", std::to_string(line)}};
  if (column == 0) {
    return Error(Reason::kInvalidField, fmt::format("line {} {}", line, what), std::move(metadata));
  }
  metadata["column"] = std::to_string(column);
  return Error(Reason::kInvalidField, fmt::format("line {}, column {} {}", line, column, what),
               std::move(metadata));
}

absl::Status CheckSplitRule(const SplitRule& rule) {
  if (!rule.field.empty() && !rule.shares.empty()) {
    return Wrong("header.shares", "give either split_field or shares");
  }
  if (rule.shares.size() > kMaxSplits) return Wrong("header.shares", "at most 16");
  double sum = 0;
  std::set<std::string> names;
  for (size_t i = 0; i < rule.shares.size(); ++i) {
    const auto& [name, share] = rule.shares[i];
    const std::string field = fmt::format("header.shares[{}]", i);
    if (!IsSplitName(name)) {
      return Wrong(field + ".split", "must match [A-Za-z0-9][A-Za-z0-9_-]{0,62}");
    }
    if (!names.insert(name).second) return Wrong(field + ".split", "is given twice");
    if (!(share > 0 && share <= 1)) return Wrong(field + ".share", "give above 0 and at most 1");
    sum += share;
  }
  if (sum > 1 + 1e-9) return Wrong("header.shares", fmt::format("sum up to {}, over 1", sum));
  return absl::OkStatus();
}

DatasetParser::DatasetParser(DatasetFormat format, SplitRule rule, DatasetLimits limits)
    : rule_(std::move(rule)), limits_(limits) {
  TakeItemFn take = [this](int64_t line, Json fields) { return TakeItem(line, std::move(fields)); };
  reader_ = format == DatasetFormat::kCsv ? MakeCsvReader(limits_, std::move(take))
                                          : MakeJsonlReader(limits_, std::move(take));
  for (const auto& [name, share] : rule_.shares) {
    parsed_.split_names.push_back(name);
    parsed_.splits[name] = 0;
  }
}

DatasetParser::~DatasetParser() = default;

absl::Status DatasetParser::Add(std::string_view bytes) {
  if (bytes_ == 0 && bytes.starts_with(kByteOrderMark)) {
    bytes_ += kByteOrderMark.size();
    bytes.remove_prefix(kByteOrderMark.size());
  }
  bytes_ += static_cast<int64_t>(bytes.size());
  if (bytes_ > limits_.bytes) {
    return Error(Reason::kInvalidField,
                 fmt::format("a data set has at most {} bytes: upload it in parts, under several "
                             "names",
                             limits_.bytes),
                 {{"field", "chunk"}});
  }
  return reader_->Add(bytes);
}

absl::StatusOr<ParsedDataset> DatasetParser::Finish() {
  RETURN_IF_ERROR(reader_->Finish());
  if (parsed_.items == 0) {
    return Error(Reason::kInvalidField, "the data set has no items", {{"field", "chunk"}});
  }
  ClosePage();
  parsed_.digest = Sha256Hex(digests_);
  return std::move(parsed_);
}

absl::Status DatasetParser::TakeItem(int64_t line, Json fields) {
  if (parsed_.items == limits_.items) {
    return WrongData(line, 0, fmt::format("is one item too many: at most {}", limits_.items));
  }
  if (fields.empty()) return WrongData(line, 0, "has no fields");
  for (const auto& [name, value] : fields.items()) {
    if (known_fields_.insert(name).second) parsed_.fields.push_back(name);
  }
  if (known_fields_.size() > limits_.fields) {
    return WrongData(line, 0, fmt::format("makes it over {} fields", limits_.fields));
  }
  const std::string canonical = DumpJson(fields);
  if (canonical.size() > limits_.item_bytes) {
    return WrongData(line, 0, fmt::format("is an item of over {} bytes", limits_.item_bytes));
  }
  ASSIGN_OR_RETURN(const int split, SplitOf(line, fields, canonical));
  const std::string split_name =
      split == 0 ? "" : parsed_.split_names[static_cast<size_t>(split) - 1];
  if (split != 0) ++parsed_.splits[split_name];
  parsed_.item_splits.push_back(static_cast<char>(split));
  digests_ += Sha256Hex(split_name + "\t" + canonical);
  page_text_ += (page_text_.empty() ? "[" : ",") + canonical;
  ++parsed_.items;
  parsed_.size_bytes += static_cast<int64_t>(canonical.size());
  if (page_text_.size() >= kPageBytes || parsed_.items - page_first_ + 1 >= kPageItems) ClosePage();
  return absl::OkStatus();
}

absl::StatusOr<int> DatasetParser::SplitOf(int64_t line, const Json& fields,
                                           const std::string& canonical) {
  auto& names = parsed_.split_names;
  if (!rule_.shares.empty()) {
    const double draw = DrawOf(canonical);
    double upto = 0;
    for (size_t i = 0; i < rule_.shares.size(); ++i) {
      upto += rule_.shares[i].second;
      if (draw < upto) return static_cast<int>(i) + 1;
    }
    return 0;
  }
  if (rule_.field.empty()) return 0;
  const Json& value = JsonMember(fields, rule_.field);
  if (value.is_null() || value == "") return 0;
  if (!value.is_string() || !IsSplitName(value.get<std::string>())) {
    return WrongData(line, 0,
                     fmt::format("has a '{}', its split, that does not match "
                                 "[A-Za-z0-9][A-Za-z0-9_-]{{0,62}}",
                                 rule_.field));
  }
  const auto name = value.get<std::string>();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin()) + 1;
  if (names.size() == kMaxSplits) {
    return WrongData(line, 0, fmt::format("makes it over {} splits", kMaxSplits));
  }
  names.push_back(name);
  return static_cast<int>(names.size());
}

void DatasetParser::ClosePage() {
  if (page_text_.empty()) return;
  page_text_ += "]";
  Packed packed = Pack(page_text_);
  DatasetPage page;
  page.first = page_first_;
  page.count = parsed_.items - page_first_ + 1;
  page.size = packed.SizeColumn(page_text_);
  page.bytes = std::move(packed.bytes);
  parsed_.pages.push_back(std::move(page));
  page_first_ = parsed_.items + 1;
  page_text_.clear();
}

}  // namespace troupe
