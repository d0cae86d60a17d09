// OptimizerStore: optimizers and their steps in the store. What they are is serialized messages
// that the store does not look into. Thread-safe; reads and writes may block on the disk.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/store/store.h"

namespace troupe {

struct OptimizerRecord {
  int64_t key = 0;      // ascends in the order in which they were made
  std::string name;     // the {optimizer} in optimizers/{optimizer}
  std::string message;  // troupe.v1.Optimizer
  std::string state;    // what the next step is to know, JSON; empty: nothing
};

struct OptimizerStepRecord {
  int32_t number = 0;        // from 1
  std::string request_id;    // empty: the client gave none
  std::string request_hash;  // of the request, 32 bytes
  std::string task;          // the {task} in tasks/{task}; empty: it has none
  bool running = false;
  std::string message;  // troupe.v1.OptimizerStep
};

class OptimizerStore {
 public:
  // `store` outlives this.
  explicit OptimizerStore(Store* store) : store_(store) {}

  // kAlreadyExists. The record's key is set.
  absl::StatusOr<OptimizerRecord> Create(OptimizerRecord record);
  // kNotFound.
  absl::StatusOr<OptimizerRecord> Get(const std::string& name) const;
  // Those whose key is below `before` (0: all), the newest first.
  absl::StatusOr<std::vector<OptimizerRecord>> List(int64_t before, int limit) const;
  // With its steps.
  absl::Status Delete(int64_t key);

  // Adds a step.
  absl::Status AddStep(int64_t optimizer, const OptimizerStepRecord& step);
  absl::Status RemoveStep(int64_t optimizer, int32_t number);
  // Changes a step and its optimizer in one.
  absl::Status UpdateStep(const OptimizerStepRecord& step, const OptimizerRecord& optimizer);
  // None if there is none.
  absl::StatusOr<std::optional<OptimizerStepRecord>> FindStep(int64_t optimizer,
                                                              int32_t number) const;
  absl::StatusOr<std::optional<OptimizerStepRecord>> FindRequest(
      int64_t optimizer, const std::string& request_id) const;
  // The step that is at work.
  absl::StatusOr<std::optional<OptimizerStepRecord>> FindRunning(int64_t optimizer) const;
  // From the number `first` on, at most `limit` and, but for the first, `max_bytes`.
  absl::StatusOr<std::vector<OptimizerStepRecord>> ListSteps(int64_t optimizer, int32_t first,
                                                             int limit, size_t max_bytes) const;
  // 0: it has none.
  absl::StatusOr<int32_t> LastNumber(int64_t optimizer) const;

 private:
  absl::StatusOr<std::optional<OptimizerStepRecord>> FindWhere(
      const std::string& condition, int64_t optimizer,
      const std::function<void(Statement&)>& bind) const;

  Store* const store_;
};

}  // namespace troupe
