// SPO as a kind of task: the edge between its messages and the algorithm. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "agents/runtime/task_kind.h"

namespace troupe {

class PromptSource;

class SpoKind : public TaskKind {
 public:
  // `prompts` outlives the kind.
  explicit SpoKind(const PromptSource* prompts) : prompts_(prompts) {}

  std::string_view name() const override { return "spo"; }
  std::string TitleOf(const v1::TaskSpec& spec) const override;
  absl::Status Validate(const v1::TaskSpec& spec) const override;
  std::vector<std::string> PromptFamilies(const v1::TaskSpec&) const override {
    return {"spo", "compare"};
  }
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override;

 private:
  const PromptSource* const prompts_;
};

}  // namespace troupe
