// Selections of items as specs of tasks have them. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <string_view>

#include "agents/evaluate/item_reader.h"
#include "troupe/v1/evaluate.pb.h"

namespace troupe {

ItemSelection SelectionOf(const v1::DatasetSelection& selection);

// What FindItems says of a selection, as kInvalidField of the one that is at `place` of the request
// ("spec.evaluate.items"): the field that it names below that. A status of another kind is left as
// it is.
absl::Status OfSelection(std::string_view place, const absl::Status& status);

}  // namespace troupe
