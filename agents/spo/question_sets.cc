#include "agents/spo/question_sets.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>

#include "agents/evaluate/item_reader.h"
#include "agents/evaluate/item_selection.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMostItems = 10'000;
constexpr size_t kMaxItemText = 64 * 1024;    // of a question, of an answer
constexpr size_t kMaxAllTexts = 1024 * 1024;  // the result tells them all
constexpr char kItems[] = "items";
constexpr char kHeldOutItems[] = "held_out_items";

absl::Status WrongSet(std::string_view selection, std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.spo.{}.{}", selection, field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

std::string PlaceOf(std::string_view selection) { return fmt::format("spec.spo.{}", selection); }

absl::Status CheckSelection(std::string_view name, const v1::DatasetSelection& selection,
                            const DatasetSource& datasets) {
  if (selection.limit() < 0 || selection.limit() > static_cast<int32_t>(kMostItems)) {
    return WrongSet(name, "limit", "give 1 to 10,000, or 0 for all");
  }
  const auto found = FindItems(datasets, SelectionOf(selection));
  if (!found.ok()) return OfSelection(PlaceOf(name), found.status());
  if (found->numbers.size() <= kMostItems) return absl::OkStatus();
  return WrongSet(
      name, "limit",
      fmt::format("there are {} items, over 10,000: set a limit", found->numbers.size()));
}

using Questions = google::protobuf::RepeatedPtrField<v1::SpoQuestion>;

AsyncStatus AddItems(const Scope& task, const DatasetSource* datasets, std::string name,
                     v1::DatasetSelection selection, size_t* bytes, Questions* questions) {
  Scope scope = task.Open("items", name, selection.dataset());
  auto opened = co_await ItemReader::Open(scope, datasets, SelectionOf(selection));
  CO_RETURN_IF_ERROR(OfSelection(PlaceOf(name), opened.status()));
  const std::shared_ptr<ItemReader> reader = *std::move(opened);
  for (size_t i = 0; i < reader->numbers().size(); ++i) {
    const auto item = co_await reader->Read(scope, i);
    if (HasReason(item.status(), Reason::kInvalidField)) {
      co_return WrongSet(name, "dataset", MessageOf(item.status()));
    }
    CO_RETURN_IF_ERROR(item.status());
    if (item->question.size() > kMaxItemText || item->answer.size() > kMaxItemText) {
      co_return WrongSet(
          name, "dataset",
          fmt::format("the question or the answer of item {} is over 64 KiB", item->number));
    }
    *bytes += item->question.size() + item->answer.size();
    if (*bytes > kMaxAllTexts) {
      co_return WrongSet(
          name, "limit",
          fmt::format("the first {} items are over 1 MiB: set a lower limit", i + 1));
    }
    v1::SpoQuestion& question = *questions->Add();
    question.set_question(item->question);
    question.set_answer(item->answer);
  }
  scope.End();
  co_return absl::OkStatus();
}

// Keeps those that `seen` has not, and adds them to it.
void KeepNew(std::set<std::string>& seen, Questions& questions) {
  Questions kept;
  for (v1::SpoQuestion& question : questions) {
    if (seen.insert(question.question()).second) *kept.Add() = std::move(question);
  }
  questions = std::move(kept);
}

}  // namespace

absl::StatusOr<int> LeaveOutRepeated(v1::SpoSpec& spec) {
  const int before = spec.questions_size() + spec.held_out_size();
  const bool any = spec.questions_size() > 0;
  std::set<std::string> seen;
  KeepNew(seen, *spec.mutable_held_out());
  KeepNew(seen, *spec.mutable_questions());
  if (any && spec.questions().empty()) {
    return Error(Reason::kInvalidField,
                 "spec.spo.questions: all of them are held out too: give others to search with",
                 {{"field", "spec.spo.questions"}});
  }
  return before - spec.questions_size() - spec.held_out_size();
}

absl::Status CheckQuestionSets(const v1::SpoSpec& spec, const DatasetSource& datasets) {
  if (spec.has_items()) RETURN_IF_ERROR(CheckSelection(kItems, spec.items(), datasets));
  if (!spec.has_held_out_items()) return absl::OkStatus();
  return CheckSelection(kHeldOutItems, spec.held_out_items(), datasets);
}

AsyncStatus AddQuestionSets(const Scope& scope, const DatasetSource* datasets, v1::SpoSpec* spec) {
  size_t bytes = 0;
  if (spec->has_items()) {
    CO_RETURN_IF_ERROR(co_await AddItems(scope, datasets, kItems, spec->items(), &bytes,
                                         spec->mutable_questions()));
  }
  if (spec->has_held_out_items()) {
    CO_RETURN_IF_ERROR(co_await AddItems(scope, datasets, kHeldOutItems, spec->held_out_items(),
                                         &bytes, spec->mutable_held_out()));
  }
  co_return absl::OkStatus();
}

}  // namespace troupe
