#include "server/services/optimizers.h"

#include <fmt/format.h>

#include <cmath>

#include "agents/trace/optimizer_config.h"
#include "server/scheduler/check_spec.h"
#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
#include "server/services/errors.h"
#include "server/services/optimizer_step_record.h"
#include "server/services/optimizer_values.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxOptimizerId = 63;
constexpr size_t kMaxTitle = 200;
constexpr int kMostScores = 100;
constexpr size_t kStepsPageBytes = 4 << 20;

// A small program, to check what an optimizer's tasks will be.
void FillSample(v1::OptimizerStepSpec& step) {
  v1::GraphNode& node = *step.mutable_graph()->add_nodes();
  node.set_name("x");
  node.mutable_value()->set_int_value(0);
  node.set_trainable(true);
  step.add_feedback()->set_feedback("f");
}

}  // namespace

absl::StatusOr<v1::Optimizer> Optimizers::Create(const v1::CreateOptimizerRequest& request) {
  const std::string id = request.optimizer_id().empty() ? NewOptimizerId() : request.optimizer_id();
  if (id.size() > kMaxOptimizerId || !CheckTaskId(id).ok()) {
    return WrongOptimizer("optimizer_id", "must match [a-z0-9][a-z0-9-]{0,62}");
  }
  const v1::OptimizerSettings& settings = request.settings();
  if (settings.title().size() > kMaxTitle)
    return WrongOptimizer("settings.title", "at most 200 bytes");
  RETURN_IF_ERROR(CheckOptimizerConfig(settings.config(), "settings.config"));
  v1::SubmitTaskRequest sample;
  *sample.mutable_spec() = TaskSpecOf(settings);
  FillSample(*sample.mutable_spec()->mutable_optimizer_step());
  if (const absl::Status valid = manager_->Check(sample); !valid.ok()) {
    return Renamed(valid, "spec.", "settings.");
  }
  v1::Optimizer optimizer;
  optimizer.set_name("optimizers/" + id);
  *optimizer.mutable_settings() = settings;
  *optimizer.mutable_create_time() = TimestampOf(absl::Now());
  RETURN_IF_ERROR(store_->Create({0, id, optimizer.SerializeAsString(), ""}).status());
  return optimizer;
}

absl::StatusOr<Optimizers::Loaded> Optimizers::Load(const std::string& name) {
  ASSIGN_OR_RETURN(const std::string id, ParseIn("optimizers", name));
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.record, store_->Get(id));
  if (!loaded.message.ParseFromString(loaded.record.message)) {
    return Error(Reason::kStoreFailed, "a stored optimizer cannot be read");
  }
  RETURN_IF_ERROR(Settle(loaded));
  return loaded;
}

absl::Status Optimizers::Settle(Loaded& optimizer) {
  ASSIGN_OR_RETURN(std::optional<OptimizerStepRecord> record,
                   store_->FindRunning(optimizer.record.key));
  if (!record.has_value()) return absl::OkStatus();
  const auto task = manager_->Get(record->task);
  if (!task.ok() && !HasReason(task.status(), Reason::kNotFound)) return task.status();
  if (task.ok() && task->row.end_time == absl::InfinitePast()) return absl::OkStatus();
  ASSIGN_OR_RETURN(v1::OptimizerStep step, MessageOfStep(*record));
  if (task.ok()) {
    TakeUp(task->row, optimizer.record, optimizer.message, step);
  } else {
    // The server ended between the step and its task, or somebody deleted the task.
    step.set_state(v1::OptimizerStep::STATE_FAILED);
    *step.mutable_error() = RpcStatus(task.status());
    *step.mutable_end_time() = TimestampOf(absl::Now());
  }
  record->running = false;
  record->message = step.SerializeAsString();
  optimizer.record.message = optimizer.message.SerializeAsString();
  return store_->UpdateStep(*record, optimizer.record);
}

absl::StatusOr<v1::Optimizer> Optimizers::Get(const std::string& name) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Loaded loaded, Load(name));
  ASSIGN_OR_RETURN(const int32_t steps, store_->LastNumber(loaded.record.key));
  loaded.message.set_steps(steps);
  return std::move(loaded.message);
}

absl::StatusOr<std::vector<Optimizers::Listed>> Optimizers::List(int64_t before, int limit) {
  ASSIGN_OR_RETURN(const std::vector<OptimizerRecord> records, store_->List(before, limit));
  std::vector<Listed> listed;
  listed.reserve(records.size());
  for (const OptimizerRecord& record : records) {
    v1::Optimizer optimizer;
    if (!optimizer.ParseFromString(record.message)) {
      return Error(Reason::kStoreFailed, "a stored optimizer cannot be read");
    }
    optimizer.clear_parameters();
    ASSIGN_OR_RETURN(const int32_t steps, store_->LastNumber(record.key));
    optimizer.set_steps(steps);
    listed.push_back({record.key, std::move(optimizer)});
  }
  return listed;
}

absl::Status Optimizers::CheckNoneRuns(const Loaded& optimizer) {
  ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> running,
                   store_->FindRunning(optimizer.record.key));
  if (!running.has_value()) return absl::OkStatus();
  return Error(
      Reason::kTaskNotTerminal,
      fmt::format("step {} of optimizers/{} is at work (tasks/{}): wait for its end, or cancel it",
                  running->number, optimizer.record.name, running->task),
      {{"name", "tasks/" + running->task}});
}

absl::Status Optimizers::Delete(const std::string& name) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load(name));
  RETURN_IF_ERROR(CheckNoneRuns(loaded));
  return store_->Delete(loaded.record.key);
}

absl::StatusOr<v1::OptimizerStep> Optimizers::GetStep(const std::string& name) {
  ASSIGN_OR_RETURN(const OptimizerStepName parsed, ParseStepName(name));
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load("optimizers/" + parsed.optimizer));
  ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> found,
                   store_->FindStep(loaded.record.key, parsed.number));
  if (!found.has_value()) return NoSuchStep(name);
  return MessageOfStep(*found);
}

absl::StatusOr<std::vector<v1::OptimizerStep>> Optimizers::ListSteps(const std::string& parent,
                                                                     int32_t first, int limit,
                                                                     size_t max_bytes) {
  MutexLock lock(&mutex_);
  auto loaded = Load(parent);
  if (!loaded.ok()) return Renamed(loaded.status(), "name", "parent");
  ASSIGN_OR_RETURN(const std::vector<OptimizerStepRecord> records,
                   store_->ListSteps(loaded->record.key, first, limit, max_bytes));
  std::vector<v1::OptimizerStep> steps;
  steps.reserve(records.size());
  for (const OptimizerStepRecord& record : records) {
    ASSIGN_OR_RETURN(v1::OptimizerStep step, MessageOfStep(record));
    steps.push_back(std::move(step));
  }
  return steps;
}

absl::StatusOr<v1::OptimizerStep> Optimizers::Report(const v1::ReportScoreRequest& request) {
  if (!std::isfinite(request.score())) return WrongOptimizer("score", "must be finite");
  ASSIGN_OR_RETURN(const OptimizerStepName parsed, ParseStepName(request.name()));
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load("optimizers/" + parsed.optimizer));
  ASSIGN_OR_RETURN(std::optional<OptimizerStepRecord> found,
                   store_->FindStep(loaded.record.key, parsed.number));
  if (!found.has_value()) return NoSuchStep(request.name());
  if (found->running) return CheckNoneRuns(loaded);
  ASSIGN_OR_RETURN(v1::OptimizerStep step, MessageOfStep(*found));
  step.add_scores_after(request.score());
  while (step.scores_after_size() > kMostScores) {
    step.mutable_scores_after()->erase(step.scores_after().begin());
  }
  found->message = step.SerializeAsString();
  RETURN_IF_ERROR(store_->UpdateStep(*found, loaded.record));
  return step;
}

absl::Status Optimizers::ForEachStep(
    int64_t optimizer, const std::function<absl::Status(const v1::OptimizerStep&)>& take) const {
  int32_t next = 1;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<OptimizerStepRecord> records,
                     store_->ListSteps(optimizer, next, 100, kStepsPageBytes));
    if (records.empty()) return absl::OkStatus();
    for (const OptimizerStepRecord& record : records) {
      ASSIGN_OR_RETURN(const v1::OptimizerStep step, MessageOfStep(record));
      RETURN_IF_ERROR(take(step));
      next = record.number + 1;
    }
  }
}

absl::StatusOr<v1::GetBestResponse> Optimizers::Best(const std::string& name) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load(name));
  BestValues values;
  RETURN_IF_ERROR(ForEachStep(loaded.record.key, [&values](const v1::OptimizerStep& step) {
    values.Add(step);
    return absl::OkStatus();
  }));
  std::optional<v1::GetBestResponse> best = values.Best();
  if (best.has_value()) return *std::move(best);
  return Error(Reason::kNotFound,
               fmt::format("no values of {} have a score: give it with Step or ReportScore", name),
               {{"name", name}});
}

}  // namespace troupe
