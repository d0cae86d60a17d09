// Optimizers: what makes a step: one that is asked for, and one that goes back.
#include <fmt/format.h>

#include <cmath>
#include <future>

#include "agents/trace/graph_optimizer.h"
#include "agents/trace/optimizer_step_kind.h"
#include "server/scheduler/check_spec.h"
#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
#include "server/services/optimizer_budget.h"
#include "server/services/optimizer_step_record.h"
#include "server/services/optimizer_values.h"
#include "server/services/optimizers.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxContext = 16 << 10;
constexpr size_t kMaxRevertReason = 1000;
constexpr char kLabel[] = "optimizer";

}  // namespace

absl::Status Optimizers::SubmitTask(const Loaded& optimizer, const std::string& task,
                                    const v1::StepRequest& request) {
  v1::SubmitTaskRequest submit;
  submit.set_task_id(task);
  *submit.mutable_spec() = TaskSpecOf(optimizer.message.settings());
  ASSIGN_OR_RETURN(*submit.mutable_spec()->mutable_budget(),
                   LimitsLeft(optimizer.message.settings().budget(), optimizer.message.usage()));
  (*submit.mutable_spec()->mutable_labels())[kLabel] = optimizer.record.name;
  v1::OptimizerStepSpec& step = *submit.mutable_spec()->mutable_optimizer_step();
  *step.mutable_graph() = request.graph();
  *step.mutable_feedback() = request.feedback();
  OptimizerState state;
  if (!optimizer.record.state.empty()) {
    ASSIGN_OR_RETURN(const Json json, ParseJson(optimizer.record.state, "an optimizer's state"));
    state = OptimizerState::FromJson(json);
  }
  state.context = request.context();
  step.set_state_json(DumpJson(state.ToJson()));
  std::promise<absl::Status> accepted;
  manager_->Submit(submit, [&accepted](const absl::StatusOr<LiveTask::Snapshot>& task_accepted) {
    accepted.set_value(task_accepted.status());
  });
  return Renamed(accepted.get_future().get(), "spec.", "settings.");
}

absl::StatusOr<v1::OptimizerStep> Optimizers::EarlierStep(const Loaded& optimizer,
                                                          const OptimizerStepRecord& step,
                                                          const v1::StepRequest& request) {
  if (step.request_hash != RequestHash(request)) {
    return Error(Reason::kRequestIdReused, "request_id: an earlier step had it, of another request",
                 {{"field", "request_id"}, {"request_id", request.request_id()}});
  }
  (void)optimizer;
  return MessageOfStep(step);
}

absl::StatusOr<v1::OptimizerStep> Optimizers::Begin(const v1::StepRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.has_score() && !std::isfinite(request.score())) {
    return WrongOptimizer("score", "must be finite");
  }
  if (request.context().size() > kMaxContext) return WrongOptimizer("context", "at most 16 KiB");
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const std::string id, ParseIn("optimizers", request.name()));
  // A step that was made durable just before the server ended, and has no task yet, gets it now:
  // before what is left of it is taken for failed.
  ASSIGN_OR_RETURN(const OptimizerRecord found, store_->Get(id));
  if (!request.request_id().empty()) {
    ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> earlier,
                     store_->FindRequest(found.key, request.request_id()));
    if (earlier.has_value() && earlier->running &&
        HasReason(manager_->Get(earlier->task).status(), Reason::kNotFound)) {
      RETURN_IF_ERROR(store_->RemoveStep(found.key, earlier->number));
    }
  }
  ASSIGN_OR_RETURN(const Loaded loaded, Load(request.name()));
  if (!request.request_id().empty()) {
    ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> earlier,
                     store_->FindRequest(loaded.record.key, request.request_id()));
    if (earlier.has_value()) return EarlierStep(loaded, *earlier, request);
  }
  v1::OptimizerStepSpec spec;
  *spec.mutable_optimizer() = loaded.message.settings().config();
  if (request.has_graph()) *spec.mutable_graph() = request.graph();
  *spec.mutable_feedback() = request.feedback();
  RETURN_IF_ERROR(CheckOptimizerStep(spec, ""));
  RETURN_IF_ERROR(CheckNoneRuns(loaded));
  RETURN_IF_ERROR(LimitsLeft(loaded.message.settings().budget(), loaded.message.usage()).status());
  ASSIGN_OR_RETURN(const int32_t last, store_->LastNumber(loaded.record.key));
  OptimizerStepRecord record;
  record.number = last + 1;
  record.request_id = request.request_id();
  record.request_hash = RequestHash(request);
  record.task = NewOptimizerId();
  record.running = true;
  v1::OptimizerStep step;
  step.set_name(fmt::format("optimizers/{}/steps/{}", loaded.record.name, record.number));
  step.set_kind(v1::OptimizerStep::KIND_STEP);
  step.set_state(v1::OptimizerStep::STATE_RUNNING);
  step.set_task("tasks/" + record.task);
  *step.mutable_create_time() = TimestampOf(absl::Now());
  if (request.has_score()) step.set_score_before(request.score());
  RETURN_IF_ERROR(FillBefore(request, step));
  record.message = step.SerializeAsString();
  RETURN_IF_ERROR(store_->AddStep(loaded.record.key, record));
  const absl::Status submitted = SubmitTask(loaded, record.task, request);
  if (!submitted.ok()) {
    // It never was.
    RETURN_IF_ERROR(store_->RemoveStep(loaded.record.key, record.number));
    return submitted;
  }
  return step;
}

absl::StatusOr<v1::OptimizerStep> Optimizers::Revert(const v1::RevertRequest& request) {
  if (request.reason().size() > kMaxRevertReason) {
    return WrongOptimizer("reason", "at most 1,000 bytes");
  }
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Loaded loaded, Load(request.name()));
  RETURN_IF_ERROR(CheckNoneRuns(loaded));
  ASSIGN_OR_RETURN(const int32_t last, store_->LastNumber(loaded.record.key));
  if (request.step() < 0 || request.step() > last) {
    return WrongOptimizer("step", fmt::format("give 0 to {}, the last step", last));
  }
  // What a parameter was after the step: by the last step up to it that had the parameter, else as
  // the first one after it found it.
  ParameterValues values;
  int32_t number = 0;
  RETURN_IF_ERROR(ForEachStep(loaded.record.key, [&](const v1::OptimizerStep& step) {
    ++number;
    for (const auto& [name, value] : ValuesIn(step.values_before())) values.emplace(name, value);
    if (number > request.step()) return absl::OkStatus();
    for (const auto& [name, value] : ValuesIn(step.values_before())) values[name] = value;
    for (const auto& [name, value] : ValuesIn(step.values_after())) values[name] = value;
    return absl::OkStatus();
  }));
  v1::OptimizerStep step;
  step.set_name(fmt::format("optimizers/{}/steps/{}", loaded.record.name, last + 1));
  step.set_kind(v1::OptimizerStep::KIND_REVERT);
  step.set_state(v1::OptimizerStep::STATE_SUCCEEDED);
  *step.mutable_create_time() = *step.mutable_end_time() = TimestampOf(absl::Now());
  step.set_reasoning(request.reason());
  step.set_reverted_to(request.step());
  ParameterValues current = ValuesIn(loaded.message.parameters());
  *step.mutable_values_before() = loaded.message.parameters();
  for (const auto& [name, value] : values) {
    v1::GraphValue& now = current[name];
    if (now.SerializeAsString() != value.SerializeAsString()) {
      *step.add_changes() = ChangeMessage(name, now, value);
    }
    now = value;
  }
  FillValues(current, *step.mutable_values_after());
  *loaded.message.mutable_parameters() = step.values_after();
  loaded.record.message = loaded.message.SerializeAsString();
  OptimizerStepRecord record;
  record.number = last + 1;
  record.message = step.SerializeAsString();
  RETURN_IF_ERROR(store_->AddStep(loaded.record.key, record));
  RETURN_IF_ERROR(store_->UpdateStep(record, loaded.record));
  return step;
}

}  // namespace troupe
