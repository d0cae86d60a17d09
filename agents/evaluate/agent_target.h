// AgentTarget: a whole task of another kind for each run, below the run's scope.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/evaluate/target.h"
#include "agents/prompts/agent_run.h"
#include "agents/runtime/task_kind.h"
#include "tools/base/json.h"

namespace troupe {

class AgentTarget : public Target {
 public:
  // `task` is a TaskSpec as JSON with nothing but a kind, whose texts are templates over the fields
  // `known` of the data set and "question". `prompt_name` is the registered prompt in whose place
  // the text under test is used; empty: it is not used. kInvalidField, naming the field below
  // "spec.evaluate.agent".
  static absl::StatusOr<std::shared_ptr<const AgentTarget>> Make(
      const Json& task, std::string prompt_name, const std::vector<std::string>& known,
      const FindKindFn& find_kind);

  Async<TargetAnswer> Run(const Scope& scope, Item item, PromptUnderTest prompt) const override;

 private:
  AgentTarget(const TaskKind* kind, Json task, std::string prompt_name,
              std::vector<std::string> known)
      : kind_(kind),
        task_(std::move(task)),
        prompt_name_(std::move(prompt_name)),
        known_(std::move(known)) {}
  absl::StatusOr<v1::TaskSpec> SpecFor(const Item& item) const;

  const TaskKind* const kind_;
  const Json task_;
  const std::string prompt_name_;
  const std::vector<std::string> known_;
};

}  // namespace troupe
