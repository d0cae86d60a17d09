#include "agents/solve/roles.h"

#include <fmt/format.h>

#include "agents/prompts/render.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr int64_t kMaxSummaryTokens = 2000;

const Json& PlanSchema() {
  static const Json* const schema = new Json{
      {"type", "object"},
      {"properties",
       {{"steps",
         {{"type", "array"},
          {"minItems", 1},
          {"maxItems", 20},
          {"items",
           ClosedObject({{"title", {{"type", "string"}, {"minLength", 1}, {"maxLength", 500}}},
                         {"status", {{"enum", {"open", "doing", "done", "dropped"}}}}})}}}}},
      {"required", {"steps"}},
      {"additionalProperties", false}};
  return *schema;
}

}  // namespace

ToolDeclaration UpdatePlanDeclaration() {
  return {kUpdatePlan, "Replaces your plan: give all steps, with how far each is.", PlanSchema()};
}

PlanUpdate UpdatePlan(const Json& arguments, std::vector<PlanStep>& plan) {
  const auto schema = JsonSchema::Compile(PlanSchema());
  if (const absl::Status fits = schema.ok() ? schema->Validate(arguments) : schema.status();
      !fits.ok()) {
    return {false, fmt::format("The call failed.\nThe plan was not changed: {}", MessageOf(fits))};
  }
  plan.clear();
  for (const Json& step : JsonArray(arguments, "steps")) {
    plan.push_back({JsonString(step, "title"), JsonString(step, "status")});
  }
  return {true, "The plan is changed."};
}

Async<std::vector<PlanStep>> MakePlan(const Scope& scope, const SolveOptions& options,
                                      const Toolset& tools) {
  Json listed = Json::array();
  for (const SearchedTool& tool : tools.tools()) {
    listed.push_back({{"name", tool.name}, {"brief", tool.brief}});
  }
  const Json values = {{"request", options.request},
                       {"instructions", options.instructions},
                       {"files", options.files},
                       {"tools", listed}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "solve.planner", values));
  const Json line = {{"type", "string"}, {"minLength", 1}};
  const Json steps = {{"type", "array"}, {"items", line}, {"minItems", 1}, {"maxItems", 12}};
  request.reply_schema = ReplySchema{"plan", ClosedObject({{"steps", steps}})};
  CO_ASSIGN_OR_RETURN(const Json reply, co_await scope.ChatJson("plan", kPlanner, request));
  std::vector<PlanStep> plan;
  for (const Json& step : JsonArray(reply, "steps"))
    plan.push_back({step.get<std::string>(), "open"});
  co_return plan;
}

Async<Review> JudgeAnswer(const Scope& scope, const SolveOptions& options, std::string answer,
                          std::string work, std::vector<std::string> earlier) {
  const Json values = {{"request", options.request},
                       {"instructions", options.instructions},
                       {"answer", answer},
                       {"work", work},
                       {"earlier", earlier}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "solve.evaluator", values));
  request.reply_schema = ReplySchema{
      "verdict",
      ClosedObject({{"critique", {{"type", "string"}}}, {"accepted", {{"type", "boolean"}}}})};
  CO_ASSIGN_OR_RETURN(const Json reply, co_await scope.ChatJson("judge", kEvaluator, request));
  co_return Review{std::move(answer), JsonBool(reply, "accepted"), JsonString(reply, "critique")};
}

Async<std::string> SumUp(const Scope& scope, const SolveOptions& options, std::string earlier,
                         std::string rounds) {
  const Json values = {{"request", options.request}, {"earlier", earlier}, {"rounds", rounds}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "solve.summarizer", values));
  request.max_tokens = kMaxSummaryTokens;
  CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await scope.Chat("sum_up", kSummarizer, request));
  co_return reply.message.text();
}

}  // namespace troupe
