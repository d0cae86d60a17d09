// Optimizers: what OptimizerService does, on the store and the tasks. A step is a task of the kind
// optimizer_step, so that it is durable and traced as any; what it came to is copied into the
// optimizer when it is next looked at, after which the task may go.
//
// Thread-safe. Methods block until what they change is durable: call them from threads that may
// wait.
#pragma once

#include <absl/base/thread_annotations.h>

#include <map>
#include <string>
#include <vector>

#include "server/scheduler/task_manager.h"
#include "server/store/optimizer_store.h"
#include "tools/base/mutex.h"
#include "troupe/v1/optimizer_service.pb.h"

namespace troupe {

class Optimizers {
 public:
  // Both outlive this.
  Optimizers(OptimizerStore* store, TaskManager* manager) : store_(store), manager_(manager) {}

  absl::StatusOr<v1::Optimizer> Create(const v1::CreateOptimizerRequest& request);
  absl::StatusOr<v1::Optimizer> Get(const std::string& name);
  struct Listed {
    int64_t key;
    v1::Optimizer optimizer;
  };
  absl::StatusOr<std::vector<Listed>> List(int64_t before, int limit);
  absl::Status Delete(const std::string& name);

  // Makes the step durable and starts it, or returns the one that an earlier call of the same
  // request made.
  absl::StatusOr<v1::OptimizerStep> Begin(const v1::StepRequest& request);
  // "optimizers/{optimizer}/steps/{number}". What its task came to is taken up.
  absl::StatusOr<v1::OptimizerStep> GetStep(const std::string& name);
  absl::StatusOr<std::vector<v1::OptimizerStep>> ListSteps(const std::string& parent, int32_t first,
                                                           int limit, size_t max_bytes);
  absl::StatusOr<v1::OptimizerStep> Report(const v1::ReportScoreRequest& request);
  absl::StatusOr<v1::OptimizerStep> Revert(const v1::RevertRequest& request);
  absl::StatusOr<v1::GetBestResponse> Best(const std::string& name);

  TaskManager& manager() { return *manager_; }

 private:
  // An optimizer whose ended steps are all taken up.
  struct Loaded {
    OptimizerRecord record;
    v1::Optimizer message;
  };
  absl::StatusOr<Loaded> Load(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes up what the step that is at work came to, if it ended.
  absl::Status Settle(Loaded& optimizer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckNoneRuns(const Loaded& optimizer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<v1::OptimizerStep> EarlierStep(const Loaded& optimizer,
                                                const OptimizerStepRecord& step,
                                                const v1::StepRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SubmitTask(const Loaded& optimizer, const std::string& task,
                          const v1::StepRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ForEachStep(int64_t optimizer,
                           const std::function<absl::Status(const v1::OptimizerStep&)>& take) const;

  OptimizerStore* const store_;
  TaskManager* const manager_;
  // Held by whoever changes an optimizer, tasks submitted meanwhile included: few and short.
  Mutex mutex_;
};

}  // namespace troupe
