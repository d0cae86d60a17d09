#include "agents/cellagent/trial.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/prompts/render.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxCritique = 6'000;
constexpr char kProgrammer[] = "programmer";

// Runs code of `role` in the kernel, making the state `scope.path()/name` from `from`.
Async<ToolResult> RunCell(const Scope& scope, std::string name, std::string from, std::string code,
                          std::string role) {
  Json arguments = {{"code", std::move(code)},
                    {"from", std::move(from)},
                    {"state", fmt::format("{}/{}", scope.path(), name)}};
  co_return co_await scope.CallTool(name, "python", std::move(arguments), std::move(role));
}

AsyncStatus Measure(const Scope& scope, const std::string& metric_code, Trial& trial) {
  if (metric_code.empty()) co_return absl::OkStatus();
  CO_ASSIGN_OR_RETURN(const ToolResult result,
                      co_await RunCell(scope, "measure", trial.state, metric_code, ""));
  const auto measured = PrintedJson(result);
  if (result.is_error || !measured.ok() || !measured->is_object()) {
    trial.metric_text =
        "The metric could not be computed:\n" + Elide(PrintedText(result), kMaxCritique);
    co_return absl::OkStatus();
  }
  trial.metric = std::clamp(JsonDouble(*measured, "score", -1), -1.0, 10.0);
  trial.metric_text = DumpJson(*measured);
  co_return absl::OkStatus();
}

}  // namespace

std::string PrintedText(const ToolResult& result) {
  std::string text;
  for (const ToolContent& part : result.content) {
    if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text;
  }
  return text;
}

absl::StatusOr<Json> PrintedJson(const ToolResult& result) {
  std::string text = PrintedText(result);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const size_t line = text.rfind('\n');
  return ParseJson(line == std::string::npos ? text : text.substr(line + 1),
                   "the last line printed");
}

Async<Trial> RunTrial(Scope scope, const Situation& situation, PlannedStep step, Approach approach,
                      int number, std::string from, std::vector<std::string> remarks) {
  Trial trial;
  trial.number = number;
  trial.tools = approach.tools;
  trial.idea = approach.idea;
  CO_ASSIGN_OR_RETURN(
      ChatRequest conversation,
      co_await ProgrammerRequest(scope, situation, step, approach, std::move(remarks)));
  for (int attempt = 1; attempt <= situation.options.max_attempts && !trial.ran; ++attempt) {
    trial.attempts = attempt;
    const std::string code_name = fmt::format("code:{}", attempt);
    const auto proposal = co_await ProposeCode(scope, code_name, conversation);
    if (HasReason(proposal.status(), Reason::kModelBadReply)) {
      trial.critique = std::string(MessageOf(proposal.status()));
      break;  // the model does not keep to the form; another trial may
    }
    CO_RETURN_IF_ERROR(proposal.status());
    trial.code = proposal->code;
    const std::string run_name = fmt::format("run:{}", attempt);
    CO_ASSIGN_OR_RETURN(ToolResult result,
                        co_await RunCell(scope, run_name, from, trial.code, kProgrammer));
    trial.outputs = JsonArray(result.value, "outputs");
    trial.content = result.content;
    if (!result.is_error) {
      trial.ran = true;
      trial.state = JsonString(result.value, "state");
      break;
    }
    trial.critique = Elide(PrintedText(result), kMaxCritique);
    const Json values = {{"output", trial.critique}};
    CO_ASSIGN_OR_RETURN(RenderedPrompt repair, RenderPrompt(scope, "cellagent.repair", values));
    conversation.messages.push_back(UserMessage(std::move(repair.text)));
  }
  if (trial.ran) {
    const StepKind* kind = situation.toolbox->FindStep(step.kind);
    const std::string metric_code = kind == nullptr ? "" : kind->metric_code;
    CO_RETURN_IF_ERROR(co_await Measure(scope, metric_code, trial));
    const absl::Status judged = co_await Evaluate(scope, situation, step, trial);
    if (HasReason(judged, Reason::kModelBadReply)) {
      trial.score = std::max(trial.metric, 0.0);
      trial.critique = "The evaluator gave no usable verdict.";
    } else {
      CO_RETURN_IF_ERROR(judged);
    }
  }
  scope.Note("ran", trial.ran);
  scope.Note("attempts", trial.attempts);
  scope.Note("tools", trial.tools);
  if (trial.ran) scope.Note("score", trial.score);
  if (trial.metric >= 0) scope.Note("metric", trial.metric);
  scope.End();
  co_return trial;
}

}  // namespace troupe
