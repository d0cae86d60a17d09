#include "agents/solve/solve_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agents/runtime/permissions.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/tool_answer.h"
#include "agents/solve/solve.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr size_t kMaxRequest = 256 * 1024;
constexpr size_t kMaxText = 64 * 1024;
constexpr int kMaxTools = 128;

absl::Status Wrong(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.solve.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

bool IsPattern(const std::string& name) { return name.find_first_of("*?") != std::string::npos; }

absl::Status CheckTools(const v1::SolveSpec& spec, const ToolRegistry& tools) {
  if (spec.tools_size() > kMaxTools) return Wrong("tools", "at most 128");
  std::set<std::string_view> named;
  for (int i = 0; i < spec.tools_size(); ++i) {
    const std::string& name = spec.tools(i);
    const std::string field = fmt::format("tools[{}]", i);
    if (!named.insert(std::string_view(name).substr(0, name.find('@'))).second) {
      return Wrong(field, "is named twice");
    }
    if (name == kAskUser) continue;
    if (!IsPattern(name)) {
      const auto found = tools.Find(name);
      if (!found.ok()) return Wrong(field, MessageOf(found.status()));
      continue;
    }
    const auto all = tools.List();
    const bool fits = std::any_of(
        all.begin(), all.end(), [&](const auto& tool) { return MatchesPattern(name, tool->name); });
    if (!fits) return Wrong(field, fmt::format("no tool fits '{}'", name));
  }
  return absl::OkStatus();
}

absl::Status CheckSchema(const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  if (text.size() > kMaxText) return Wrong("answer_schema", "at most 64 KiB");
  const auto parsed = ParseJson(text, "it");
  if (!parsed.ok()) return Wrong("answer_schema", MessageOf(parsed.status()));
  const auto schema = JsonSchema::Compile(*parsed);
  return schema.ok() ? absl::OkStatus() : Wrong("answer_schema", MessageOf(schema.status()));
}

absl::Status CheckNumbers(const v1::SolveSpec& spec) {
  const auto within = [](int64_t value, int64_t least, int64_t most) {
    return value == 0 || (value >= least && value <= most);
  };
  if (!within(spec.max_reviews(), 1, 10)) return Wrong("max_reviews", "give 0 to 10");
  if (!within(spec.max_rounds(), 1, 1000))
    return Wrong("max_rounds", "give 1 to 1,000, or 0 for 30");
  if (!within(spec.stuck_rounds(), 1, 100))
    return Wrong("stuck_rounds", "give 1 to 100, or 0 for 3");
  if (!within(spec.context_tokens(), 2000, 1'000'000'000)) {
    return Wrong("context_tokens", "give at least 2,000, or 0");
  }
  if (!within(spec.shown_result_bytes(), 256, 1024 * 1024)) {
    return Wrong("shown_result_bytes", "give 256 to 1,048,576, or 0 for 8,192");
  }
  if (!within(spec.shown_tools(), 1, kMaxTools)) {
    return Wrong("shown_tools", "give 1 to 128, or 0 for what the server's configuration says");
  }
  if (!v1::SolveSpec::CallForm_IsValid(spec.call_form())) {
    return Wrong("call_form", "give CALL_FORM_NATIVE or CALL_FORM_JSON, or leave it out");
  }
  if (spec.has_temperature() && !(spec.temperature() >= 0 && spec.temperature() <= 2)) {
    return Wrong("temperature", "give 0 to 2");
  }
  if (spec.max_tokens() < 0) return Wrong("max_tokens", "must not be negative");
  return absl::OkStatus();
}

absl::StatusOr<SolveOptions> OptionsOf(const v1::TaskSpec& task, int shown_tools) {
  const v1::SolveSpec& spec = task.solve();
  SolveOptions options;
  options.request = spec.request();
  options.instructions = spec.instructions();
  for (const v1::InputFile& input : task.inputs())
    options.files.push_back("inputs/" + input.name());
  options.tools.assign(spec.tools().begin(), spec.tools().end());
  if (!spec.answer_schema().empty()) {
    ASSIGN_OR_RETURN(options.answer_schema, ParseJson(spec.answer_schema(), "answer_schema"));
  }
  options.plan = spec.plan();
  options.max_reviews = spec.max_reviews();
  if (spec.max_rounds() > 0) options.max_rounds = spec.max_rounds();
  if (spec.stuck_rounds() > 0) options.stuck_rounds = spec.stuck_rounds();
  options.context_tokens = spec.context_tokens();
  if (spec.shown_result_bytes() > 0) options.shown_result_bytes = spec.shown_result_bytes();
  options.shown_tools = spec.shown_tools() > 0 ? spec.shown_tools() : shown_tools;
  options.call_form = static_cast<CallForm>(spec.call_form());
  if (spec.has_temperature()) options.temperature = spec.temperature();
  if (spec.max_tokens() > 0) options.max_tokens = spec.max_tokens();
  return options;
}

v1::TaskResult::StopReason StopReasonOf(const SolveOutcome& outcome) {
  if (outcome.ending == SolveEnding::kBudget) return v1::TaskResult::STOP_REASON_BUDGET;
  if (outcome.ending == SolveEnding::kNoProgress) return v1::TaskResult::STOP_REASON_NO_PROGRESS;
  return troupe::StopReasonOf(outcome.stopped);
}

}  // namespace

std::string SolveKind::TitleOf(const v1::TaskSpec& spec) const { return spec.solve().request(); }

absl::Status SolveKind::Validate(const v1::TaskSpec& spec) const {
  const v1::SolveSpec& solve = spec.solve();
  if (solve.request().empty()) return Wrong("request", "say what to find out or to do");
  if (solve.request().size() > kMaxRequest) return Wrong("request", "at most 256 KiB");
  if (solve.instructions().size() > kMaxText) return Wrong("instructions", "at most 64 KiB");
  RETURN_IF_ERROR(CheckTools(solve, *tools_));
  RETURN_IF_ERROR(CheckSchema(solve.answer_schema()));
  return CheckNumbers(solve);
}

Async<v1::TaskResult> SolveKind::Run(Scope& scope, v1::TaskSpec spec) const {
  CO_ASSIGN_OR_RETURN(SolveOptions options, OptionsOf(spec, shown_tools_));
  CO_ASSIGN_OR_RETURN(const SolveOutcome outcome, co_await RunSolve(scope, std::move(options)));
  v1::TaskResult result;
  result.set_text(outcome.answer);
  result.set_stop_reason(StopReasonOf(outcome));
  v1::SolveResult& detail = *result.mutable_solve();
  detail.set_ending(static_cast<v1::SolveResult::Ending>(outcome.ending));
  if (!outcome.answer_value.is_null()) detail.set_answer_json(DumpJson(outcome.answer_value));
  for (const PlanStep& step : outcome.plan) {
    v1::SolveStep* message = detail.add_plan();
    message->set_title(step.title);
    message->set_status(step.status);
  }
  for (const Review& review : outcome.reviews) {
    v1::SolveReview* message = detail.add_reviews();
    message->set_answer(review.answer);
    message->set_accepted(review.accepted);
    message->set_critique(review.critique);
  }
  detail.set_rounds(outcome.rounds);
  detail.set_tool_calls(outcome.tool_calls);
  detail.set_summaries(outcome.summaries);
  AddArtifacts(outcome.artifacts, result);
  co_return result;
}

}  // namespace troupe
