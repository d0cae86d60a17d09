// Steps of optimizers as they are stored and as they are told. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/scheduler/task_manager.h"
#include "server/store/optimizer_store.h"
#include "troupe/v1/optimizer_service.pb.h"

namespace troupe {

// kInvalidField of a field of an optimizer's request.
absl::Status WrongOptimizer(const std::string& field, std::string_view what);
// The same error with its field's name as the request has it.
absl::Status Renamed(const absl::Status& status, std::string_view from, std::string_view to);

// A name that nobody gave, for an optimizer or for the task of a step.
std::string NewOptimizerId();

// "optimizers/{optimizer}/steps/{number}"
struct OptimizerStepName {
  std::string optimizer;
  int32_t number = 0;
};
absl::StatusOr<OptimizerStepName> ParseStepName(const std::string& name);
absl::Status NoSuchStep(const std::string& name);

absl::StatusOr<v1::OptimizerStep> MessageOfStep(const OptimizerStepRecord& record);

// What tells one request from another.
std::string RequestHash(const v1::StepRequest& request);

// Fills the values and the feedback that a step begins with. Of a graph that is checked.
absl::Status FillBefore(const v1::StepRequest& request, v1::OptimizerStep& step);

// Fills what a step's task came to into the step, and what it means for the optimizer.
void TakeUp(const TaskRow& row, OptimizerRecord& record, v1::Optimizer& optimizer,
            v1::OptimizerStep& step);

// What an optimizer's tasks are, without what they are to look at.
v1::TaskSpec TaskSpecOf(const v1::OptimizerSettings& settings);

}  // namespace troupe
