// SPO as a kind of task: the edge between its messages and the algorithm. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "agents/evaluate/agent_target.h"
#include "agents/runtime/task_kind.h"

namespace troupe {

class DatasetSource;
class PromptSource;

class SpoKind : public TaskKind {
 public:
  // `prompts` and `datasets` outlive the kind, and so do the kinds that `find_kind` finds: those
  // that may stand in the executor's place.
  SpoKind(const PromptSource* prompts, const DatasetSource* datasets, FindKindFn find_kind)
      : prompts_(prompts), datasets_(datasets), find_kind_(std::move(find_kind)) {}

  std::string_view name() const override { return "spo"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  std::vector<std::string> PromptFamilies(const v1::TaskSpec& spec) const override;
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  // What answers questions; kInvalidField for an agent that cannot be.
  absl::StatusOr<std::shared_ptr<const Target>> ExecutorOf(const v1::SpoSpec& spec) const;

  const PromptSource* const prompts_;
  const DatasetSource* const datasets_;
  const FindKindFn find_kind_;
};

}  // namespace troupe
