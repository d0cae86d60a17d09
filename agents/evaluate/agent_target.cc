#include "agents/evaluate/agent_target.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "agents/prompts/overlay.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kField[] = "spec.evaluate.agent.task";

absl::Status Wrong(std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", kField, what), {{"field", kField}});
}

// Every text of `value`, at any depth, as `change` makes it.
absl::Status ChangeTexts(Json& value,
                         const std::function<absl::Status(std::string& text)>& change) {
  if (value.is_string()) return change(value.get_ref<std::string&>());
  if (!value.is_structured()) return absl::OkStatus();
  for (auto& each : value) RETURN_IF_ERROR(ChangeTexts(each, change));
  return absl::OkStatus();
}

bool IsTemplate(const std::string& text) { return text.find("{{") != std::string::npos; }

absl::StatusOr<v1::TaskSpec> ParseSpec(const Json& task) {
  v1::TaskSpec spec;
  const auto parsed = google::protobuf::util::JsonStringToMessage(DumpJson(task), &spec);
  if (!parsed.ok()) return Wrong(std::string(parsed.message()));
  return spec;
}

}  // namespace

std::string AgentTarget::KindNameOf(const Json& task) {
  return task.is_object() && task.size() == 1 ? task.begin().key() : "";
}

absl::StatusOr<std::shared_ptr<const AgentTarget>> AgentTarget::Make(
    const Json& task, std::string prompt_name, const std::vector<std::string>& known,
    const FindKindFn& find_kind) {
  const std::string name = KindNameOf(task);
  const TaskKind* kind = find_kind(name);
  if (kind == nullptr) {
    return Wrong(name.empty()
                     ? "give one kind of task and nothing else, as {\"solve\": {...}}: limits "
                       "and models are the evaluation's own"
                     : fmt::format("there is no kind of task '{}' to run on items", name));
  }
  RETURN_IF_ERROR(ParseSpec(task).status());
  Json checked = task;
  RETURN_IF_ERROR(ChangeTexts(checked, [&](std::string& text) -> absl::Status {
    if (!IsTemplate(text)) return absl::OkStatus();
    const auto compiled = TemplatePrompt(text, known);
    return compiled.ok() ? absl::OkStatus() : Wrong(MessageOf(compiled.status()));
  }));
  return std::shared_ptr<const AgentTarget>(
      new AgentTarget(kind, task, std::move(prompt_name), known));
}

absl::StatusOr<v1::TaskSpec> AgentTarget::SpecFor(const Item& item) const {
  Json filled = task_;
  RETURN_IF_ERROR(ChangeTexts(filled, [&](std::string& text) -> absl::Status {
    if (!IsTemplate(text)) return absl::OkStatus();
    ASSIGN_OR_RETURN(const PromptUnderTest compiled, TemplatePrompt(text, known_));
    ASSIGN_OR_RETURN(text, FillPrompt(compiled, item));
    return absl::OkStatus();
  }));
  return ParseSpec(filled);
}

Async<TargetAnswer> AgentTarget::Run(const Scope& scope, Item item, PromptUnderTest prompt) const {
  CO_ASSIGN_OR_RETURN(v1::TaskSpec spec, SpecFor(item));
  CO_RETURN_IF_ERROR(kind_->Validate(spec));
  const std::string kind_name(kind_->name());
  Scope agent = scope.Open("agent", "agent", kind_name);
  // Runs are side by side: what they leave each other is not the same in every life.
  agent.HideBudgetLeft();
  if (!prompt_name_.empty()) {
    const std::map<std::string, std::string> texts = {{prompt_name_, prompt.text}};
    CO_RETURN_IF_ERROR(OverlayPrompts(agent, texts));
  }
  auto result = co_await kind_->Run(agent, std::move(spec));
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
  co_return TargetAnswer{result->text(), agent.usage()};
}

}  // namespace troupe
