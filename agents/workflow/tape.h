// WorkflowTape: what one run of a workflow did, value by value: what an optimizer learns from (it
// is turned into a graph by agents/trace). The interpreter writes it in an order that follows from
// the document alone: branches that run side by side have tapes of their own, which are put behind
// each other. Thread-confined.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

// Of a value on the tape, from 1; 0: none.
using ValueId = int32_t;

struct TapeEntry {
  enum class Kind { kInput, kParameter, kOperation, kError };
  Kind kind = Kind::kOperation;
  std::string name;         // of the input, parameter or step; not unique where steps are repeated
  std::string operation;    // "model", "code" ...: empty for inputs and parameters
  std::string description;  // what the operation does, for people and optimizers
  std::vector<std::pair<std::string, ValueId>> inputs;  // in the order of their names' places
  std::shared_ptr<const Json> value;
};

// What a step's error is as a value: {"error": {"type", "message", "step", "line", "code"}}; the
// line is of the function that failed, from 1, and "code" that line; both are left out elsewhere.
Json ErrorValue(const std::string& step, const absl::Status& status);

class WorkflowTape {
 public:
  // kLimitReached beyond 100,000 values.
  absl::Status Add(TapeEntry entry, ValueId& id);
  const std::vector<TapeEntry>& entries() const { return entries_; }
  // Of one of its own, not of the tape that it branches from.
  const std::shared_ptr<const Json>& ValueOf(ValueId id) const {
    return entries_[static_cast<size_t>(id - base_ - 1)].value;
  }

  // A tape for a branch, on which the values of this one have their ids.
  WorkflowTape Branch() const;
  // Puts what `branch` recorded behind this; `id`, one of the branch's, becomes this tape's.
  absl::Status Append(const WorkflowTape& branch, ValueId& id);

  // The error that ended the run, or that a step keeps; 0: none.
  ValueId failed = 0;

 private:
  std::vector<TapeEntry> entries_;
  ValueId base_ = 0;  // values of the tape that this branches from
};

}  // namespace troupe
