#include "agents/evaluate/agent_target.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/room.h"

namespace troupe {
namespace {

constexpr size_t kMaxArtifacts = 16;  // of a run that are told of
constexpr char kField[] = "spec.evaluate.agent.task";

absl::Status Wrong(std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", kField, what), {{"field", kField}});
}

absl::StatusOr<v1::TaskSpec> ParseSpec(const Json& task) {
  auto spec = ParseTaskSpec(task);
  if (!spec.ok()) return Wrong(MessageOf(spec.status()));
  return spec;
}

// Of files of the same name the last one stands.
std::vector<v1::Artifact> ArtifactsOf(const Scope& scope, const v1::TaskResult& result) {
  std::vector<v1::Artifact> artifacts;
  for (v1::Artifact artifact : result.artifacts()) {
    // One of an agent that gave rooms to its own agents names its room already.
    if (artifact.name().find('/') == std::string::npos) {
      artifact.set_name(ArtifactInRoom(scope.room(), artifact.name()));
    }
    const auto same = std::find_if(
        artifacts.begin(), artifacts.end(),
        [&](const v1::Artifact& earlier) { return earlier.name() == artifact.name(); });
    if (same != artifacts.end()) {
      *same = std::move(artifact);
    } else if (artifacts.size() < kMaxArtifacts) {
      artifacts.push_back(std::move(artifact));
    }
  }
  return artifacts;
}

}  // namespace

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
  RETURN_IF_ERROR(ChangeTemplates(checked, [&](std::string& text) -> absl::Status {
    const auto compiled = TemplatePrompt(text, known);
    return compiled.ok() ? absl::OkStatus() : Wrong(MessageOf(compiled.status()));
  }));
  return std::shared_ptr<const AgentTarget>(
      new AgentTarget(kind, task, std::move(prompt_name), known));
}

absl::StatusOr<v1::TaskSpec> AgentTarget::SpecFor(const Item& item) const {
  Json filled = task_;
  RETURN_IF_ERROR(ChangeTemplates(filled, [&](std::string& text) -> absl::Status {
    ASSIGN_OR_RETURN(const PromptUnderTest compiled, TemplatePrompt(text, known_));
    ASSIGN_OR_RETURN(text, FillPrompt(compiled, item));
    return absl::OkStatus();
  }));
  return ParseSpec(filled);
}

Async<TargetAnswer> AgentTarget::Run(const Scope& scope, Item item, PromptUnderTest prompt) const {
  CO_ASSIGN_OR_RETURN(v1::TaskSpec spec, SpecFor(item));
  std::map<std::string, std::string> texts;
  if (!prompt_name_.empty()) texts[prompt_name_] = prompt.text;
  CO_ASSIGN_OR_RETURN(const AgentAnswer answer,
                      co_await RunAgent(scope, kind_, std::move(spec), std::move(texts)));
  co_return TargetAnswer{answer.result.text(), answer.usage, ArtifactsOf(scope, answer.result)};
}

}  // namespace troupe
