// What the steps of an optimizer may use, and have used. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include "troupe/v1/task.pb.h"

namespace troupe {

// What is left of a budget for all steps when `used` is gone; kBudgetExceeded if nothing is of one
// of its limits.
absl::StatusOr<v1::Budget> LimitsLeft(const v1::Budget& budget, const v1::Usage& used);

void AddUsageTo(const v1::Usage& more, v1::Usage& all);

}  // namespace troupe
