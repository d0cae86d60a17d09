#include "agents/evaluate/item_selection.h"

#include <fmt/format.h>

#include <string>

#include "tools/base/error.h"

namespace troupe {

ItemSelection SelectionOf(const v1::DatasetSelection& selection) {
  return {selection.dataset(),
          selection.split(),
          selection.limit(),
          {selection.question_field(), selection.answer_field()}};
}

absl::Status OfSelection(std::string_view place, const absl::Status& status) {
  const bool missing = HasReason(status, Reason::kNotFound);
  if (!missing && !HasReason(status, Reason::kInvalidField)) return status;
  const ErrorMetadata metadata = MetadataOf(status);
  const auto named = metadata.find("field");
  const bool dataset = missing || named == metadata.end() || named->second == "name";
  const std::string field = fmt::format("{}.{}", place, dataset ? "dataset" : named->second);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, MessageOf(status)),
               {{"field", field}});
}

}  // namespace troupe
