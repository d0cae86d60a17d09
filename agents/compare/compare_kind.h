// Comparing as a kind of task: the edge between its messages and the jury. Thread-safe.
#pragma once

#include <string>

#include "agents/runtime/task_kind.h"

namespace troupe {

class CompareKind : public TaskKind {
 public:
  std::string_view name() const override { return "compare"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;
};

}  // namespace troupe
