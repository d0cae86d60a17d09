// Chat as a kind of task: the edge between its messages and the algorithm. Thread-safe.
#pragma once

#include <string>

#include "agents/runtime/task_kind.h"

namespace troupe {

class ChatKind : public TaskKind {
 public:
  // `tools` outlives the kind.
  explicit ChatKind(const ToolRegistry* tools) : tools_(tools) {}

  std::string_view name() const override { return "chat"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  const ToolRegistry* const tools_;
};

}  // namespace troupe
