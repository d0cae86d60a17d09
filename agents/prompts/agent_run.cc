#include "agents/prompts/agent_run.h"

#include <google/protobuf/util/json_util.h>

#include "agents/prompts/overlay.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

std::string KindNameOf(const Json& spec) {
  return spec.is_object() && spec.size() == 1 ? spec.begin().key() : "";
}

absl::Status ChangeTemplates(Json& spec, const ChangeTextFn& change) {
  if (spec.is_string()) {
    std::string& text = spec.get_ref<std::string&>();
    return text.find("{{") == std::string::npos ? absl::OkStatus() : change(text);
  }
  if (!spec.is_structured()) return absl::OkStatus();
  for (auto& each : spec) RETURN_IF_ERROR(ChangeTemplates(each, change));
  return absl::OkStatus();
}

absl::StatusOr<v1::TaskSpec> ParseTaskSpec(const Json& spec) {
  v1::TaskSpec parsed;
  const auto read = google::protobuf::util::JsonStringToMessage(DumpJson(spec), &parsed);
  if (!read.ok()) return Error(Reason::kInvalidField, std::string(read.message()));
  return parsed;
}

Async<AgentAnswer> RunAgent(const Scope& scope, const TaskKind* kind, v1::TaskSpec spec,
                            std::map<std::string, std::string> texts) {
  CO_RETURN_IF_ERROR(kind->Validate(spec));
  const std::string kind_name(kind->name());
  Scope agent = scope.Open("agent", "agent", kind_name);
  // Runs are side by side: what they leave each other is not the same in every life.
  agent.HideBudgetLeft();
  CO_RETURN_IF_ERROR(OverlayPrompts(agent, texts));
  auto result = co_await kind->Run(agent, std::move(spec));
  absl::Status ended = result.status();
  if (result.ok()) {
    // An agent that a limit stopped says so and has no answer of its own: it is the task's limit.
    const auto reason = result->stop_reason();
    if (reason == v1::TaskResult::STOP_REASON_BUDGET) {
      ended = Error(Reason::kBudgetExceeded, "the agent's run reached the budget of the task");
    } else if (reason == v1::TaskResult::STOP_REASON_TIMEOUT) {
      ended = Error(Reason::kDeadlineExceeded, "the agent's run reached the timeout of the task");
    }
  }
  agent.End(ended);
  CO_RETURN_IF_ERROR(ended);
  co_return AgentAnswer{*std::move(result), agent.usage()};
}

}  // namespace troupe
