#include "agents/evaluate/item_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kPageItems = 32;

// So many of the numbers, drawn by the digest: the same in every task, and of a smaller limit a
// part of those of a larger one.
std::vector<int32_t> Drawn(std::vector<int32_t> numbers, const std::string& digest, int32_t limit) {
  if (limit == 0 || numbers.size() <= static_cast<size_t>(limit)) return numbers;
  std::vector<std::pair<uint64_t, int32_t>> order;
  order.reserve(numbers.size());
  for (const int32_t number : numbers) {
    order.emplace_back(Sha256Prefix(fmt::format("{}\n{}", digest, number)), number);
  }
  std::sort(order.begin(), order.end());
  numbers.clear();
  for (size_t i = 0; i < static_cast<size_t>(limit); ++i) numbers.push_back(order[i].second);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Json ToJson(const FoundItems& found) {
  return {{"dataset", found.dataset.name},       {"digest", found.dataset.digest},
          {"fields", found.dataset.fields},      {"question_field", found.fields.question},
          {"answer_field", found.fields.answer}, {"numbers", found.numbers}};
}

FoundItems FromJson(const Json& recorded) {
  FoundItems found;
  found.dataset.name = JsonString(recorded, "dataset");
  found.dataset.digest = JsonString(recorded, "digest");
  for (const Json& field : JsonArray(recorded, "fields")) {
    found.dataset.fields.push_back(field.get<std::string>());
  }
  found.fields = {JsonString(recorded, "question_field"), JsonString(recorded, "answer_field")};
  for (const Json& number : JsonArray(recorded, "numbers")) {
    found.numbers.push_back(number.get<int32_t>());
  }
  return found;
}

}  // namespace

absl::StatusOr<FoundItems> FindItems(const DatasetSource& source, const ItemSelection& selection) {
  FoundItems found;
  ASSIGN_OR_RETURN(found.dataset, source.FindDataset(selection.dataset));
  ASSIGN_OR_RETURN(found.fields, FindItemFields(selection.fields, found.dataset.fields));
  if (!selection.split.empty() && !found.dataset.splits.contains(selection.split)) {
    std::vector<std::string> names;
    for (const auto& [name, count] : found.dataset.splits) names.push_back(name);
    return Error(
        Reason::kInvalidField,
        fmt::format("split: {} has no split '{}': it has {}", selection.dataset, selection.split,
                    names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))),
        {{"field", "split"}});
  }
  ASSIGN_OR_RETURN(std::vector<int32_t> numbers,
                   source.ItemNumbers(found.dataset, selection.split));
  found.numbers = Drawn(std::move(numbers), found.dataset.digest, selection.limit);
  if (found.numbers.empty()) {
    return Error(Reason::kInvalidField, "split: it has no items", {{"field", "split"}});
  }
  return found;
}

Async<std::shared_ptr<ItemReader>> ItemReader::Open(const Scope& scope, const DatasetSource* source,
                                                    ItemSelection selection) {
  auto reader = std::make_shared<ItemReader>();
  reader->source_ = source;
  CO_ASSIGN_OR_RETURN(Json recorded, scope.RecallValue("items", SpanKind::kValue));
  if (recorded.is_null()) {
    CO_ASSIGN_OR_RETURN(const FoundItems found, FindItems(*source, selection));
    CO_ASSIGN_OR_RETURN(recorded, co_await scope.Fix("items", ToJson(found)));
  }
  reader->found_ = FromJson(recorded);
  co_return reader;
}

Async<Item> ItemReader::Read(const Scope& scope, size_t index) {
  const size_t page = index / kPageItems + 1;
  if (page != page_) CO_RETURN_IF_ERROR(co_await ReadPage(scope, page));
  const size_t place = index % kPageItems;
  if (place >= kept_.size()) {
    co_return Error(Reason::kDivergence, fmt::format("the record lacks item {}", index + 1));
  }
  co_return MakeItem(found_.numbers[index], kept_[place], found_.fields);
}

AsyncStatus ItemReader::ReadPage(const Scope& scope, size_t page) {
  const std::string name = fmt::format("items:{}", page);
  CO_ASSIGN_OR_RETURN(Json recorded, scope.RecallValue(name, SpanKind::kValue));
  if (recorded.is_null()) {
    const size_t begin = (page - 1) * kPageItems;
    const size_t end = std::min(found_.numbers.size(), begin + kPageItems);
    const std::vector<int32_t> numbers(found_.numbers.begin() + static_cast<int64_t>(begin),
                                       found_.numbers.begin() + static_cast<int64_t>(end));
    CO_ASSIGN_OR_RETURN(const std::vector<Json> items, source_->ReadItems(found_.dataset, numbers));
    CO_ASSIGN_OR_RETURN(recorded, co_await scope.Fix(name, Json(items)));
  }
  kept_ = std::move(recorded);
  page_ = page;
  co_return absl::OkStatus();
}

}  // namespace troupe
