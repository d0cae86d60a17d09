#include "agents/trace/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "agents/prompts/render.h"
#include "agents/trace/opto_prime.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

Json TextReply(std::string_view member) {
  return {{"type", "object"},
          {"properties", {{std::string(member), {{"type", "string"}}}}},
          {"required", {member}},
          {"additionalProperties", false}};
}

// Takes up what a call suggests.
AsyncStatus Take(const Scope& scope, std::string name, const Problem& problem,
                 const ValueRules& rules, Json suggestions, GraphProposal& proposal) {
  CO_ASSIGN_OR_RETURN(ReadValues read, co_await ReadSuggestions(scope, std::move(name), problem,
                                                                std::move(suggestions), rules));
  for (Change& each : read.changes) proposal.changes.push_back(std::move(each));
  for (Refusal& each : read.refused) proposal.refused.push_back(std::move(each));
  co_return absl::OkStatus();
}

// The inputs on a path from a variable, operation by operation, the last operation first.
struct BackwardStep {
  NodeId operation;
  GraphInput input;
};
std::vector<BackwardStep> BackwardSteps(const Problem& problem) {
  std::set<NodeId> varies;
  for (const ProblemValue& each : problem.variables) varies.insert(each.node);
  std::vector<BackwardStep> steps;
  for (const CodeLine& line : problem.code) {
    std::vector<GraphInput> inputs;
    const auto given = problem.graph->inputs(line.node);
    inputs.assign(given.begin(), given.end());
    for (const NodeId hidden : problem.graph->hidden_dependencies(line.node)) {
      inputs.push_back({"(used inside)", hidden});
    }
    for (const GraphInput& input : inputs) {
      if (!varies.contains(input.node)) continue;
      varies.insert(line.node);
      steps.push_back({line.node, input});
    }
  }
  std::reverse(steps.begin(), steps.end());
  return steps;
}

}  // namespace

Async<GraphProposal> Opro::Propose(const Scope& scope, std::string name, const Problem& problem,
                                   const OptimizerState& state) const {
  GraphProposal proposal;
  if (problem.variables.empty()) co_return proposal;
  const ProblemSections sections = SectionsOf(problem, options_.layout);
  const Json values = {{"instruction", problem.instruction},
                       {"variables", sections.variables},
                       {"constraints", sections.constraints},
                       {"feedback", problem.feedback},
                       {"past", MemoryValues(state)},
                       {"refused", RefusalValues(state.refused)},
                       {"context", state.context}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "trace.opro", values));
  request.temperature = options_.temperature;
  request.max_tokens = options_.max_tokens;
  request.reply_schema = OptoPrimeReply(problem);
  const auto reply = co_await scope.ChatJson(name, kTraceOptimizer, std::move(request));
  if (HasReason(reply.status(), Reason::kModelBadReply)) {
    proposal.refused = RefusedReply(problem, reply.status());
    co_return proposal;
  }
  CO_RETURN_IF_ERROR(reply.status());
  proposal.reasoning = JsonString(*reply, "reasoning");
  proposal.answer = JsonString(*reply, "answer");
  if (SaysTerminate(*reply)) {
    proposal.finished = true;
    co_return proposal;
  }
  const Json suggestions = JsonObject(*reply, "suggestion");
  CO_RETURN_IF_ERROR(co_await Take(scope, name, problem, options_.rules, suggestions, proposal));
  co_return proposal;
}

Async<std::string> TextGrad::Criticise(const Scope& scope, std::string name, const Problem& problem,
                                       NodeId operation, GraphInput input,
                                       std::string criticism) const {
  const Graph& graph = *problem.graph;
  Json inputs = Json::array();
  const size_t bytes = options_.layout.value_bytes;
  for (const GraphInput& each : graph.inputs(operation)) {
    inputs.push_back({{"name", std::string(each.name)},
                      {"value", ShownValue(graph.node(each.node).value, bytes)}});
  }
  const Json values = {{"documentation", std::string(graph.Documentation(operation))},
                       {"operation", std::string(graph.node(operation).operation)},
                       {"inputs", std::move(inputs)},
                       {"output", ShownValue(graph.node(operation).value, bytes)},
                       {"criticism", std::move(criticism)},
                       {"wanted", std::string(input.name)},
                       {"value", ShownValue(graph.node(input.node).value, bytes)}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "trace.textgrad_backward", values));
  request.temperature = options_.temperature;
  request.max_tokens = options_.max_tokens;
  request.reply_schema = ReplySchema{"criticism", TextReply("criticism")};
  CO_ASSIGN_OR_RETURN(const Json reply, co_await scope.ChatJson(std::move(name), kTraceOptimizer,
                                                                std::move(request)));
  co_return JsonString(reply, "criticism");
}

Async<GraphProposal> TextGrad::Propose(const Scope& scope, std::string name, const Problem& problem,
                                       const OptimizerState& state) const {
  GraphProposal proposal;
  const std::vector<BackwardStep> steps = BackwardSteps(problem);
  if (steps.size() + problem.variables.size() > kMaxTextGradCalls) {
    co_return Error(Reason::kLimitReached,
                    fmt::format("TextGrad would take {} calls for this program, more than {}",
                                steps.size() + problem.variables.size(), kMaxTextGradCalls),
                    {{"limit", "textgrad_calls"}});
  }
  std::map<NodeId, std::string> criticisms;
  // To each output what is thought of that one: those of other runs say nothing of it.
  for (const OutputFeedback& each : problem.output_feedback) {
    std::string& all = criticisms[each.output];
    all += (all.empty() ? "" : "\n\n") + each.feedback;
  }
  int number = 0;
  for (const BackwardStep& step : steps) {
    const auto known = criticisms.find(step.operation);
    if (known == criticisms.end()) continue;
    const std::string effect = fmt::format("{}.backward:{}", name, ++number);
    const std::string criticism = known->second;
    CO_ASSIGN_OR_RETURN(
        const std::string said,
        co_await Criticise(scope, effect, problem, step.operation, step.input, criticism));
    std::string& all = criticisms[step.input.node];
    all += (all.empty() ? "" : "\n\n") + said;
  }
  for (size_t i = 0; i < problem.variables.size(); ++i) {
    const ProblemValue& variable = problem.variables[i];
    const auto known = criticisms.find(variable.node);
    if (known == criticisms.end()) continue;
    Problem alone = problem;
    alone.variables = {variable};
    const ProblemSections sections = SectionsOf(alone, options_.layout);
    const Json values = {{"instruction", problem.instruction},
                         {"variable", sections.variables},
                         {"constraint", variable.constraint},
                         {"criticism", known->second},
                         {"past", MemoryValues(state)},
                         {"context", state.context},
                         {"refused", RefusalValues(state.refused)}};
    CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "trace.textgrad_update", values));
    request.temperature = options_.temperature;
    request.max_tokens = options_.max_tokens;
    request.reply_schema = OptoPrimeReply(alone);
    const std::string effect = fmt::format("{}.update:{}", name, i + 1);
    const auto reply = co_await scope.ChatJson(effect, kTraceOptimizer, std::move(request));
    if (HasReason(reply.status(), Reason::kModelBadReply)) {
      for (Refusal& refused : RefusedReply(alone, reply.status())) {
        refused.name = variable.name;
        proposal.refused.push_back(std::move(refused));
      }
      continue;
    }
    CO_RETURN_IF_ERROR(reply.status());
    proposal.reasoning += (proposal.reasoning.empty() ? "" : "\n") + variable.name + ": " +
                          JsonString(*reply, "reasoning");
    const Json suggestions = JsonObject(*reply, "suggestion");
    CO_RETURN_IF_ERROR(co_await Take(scope, effect, alone, options_.rules, suggestions, proposal));
  }
  co_return proposal;
}

}  // namespace troupe
