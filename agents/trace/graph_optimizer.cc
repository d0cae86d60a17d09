#include "agents/trace/graph_optimizer.h"

namespace troupe {

Json OptimizerState::ToJson() const {
  Json past = Json::array();
  for (const Past& each : memory) {
    past.push_back({{"variables", each.variables}, {"feedback", each.feedback}});
  }
  Json refusals = Json::array();
  for (const Refusal& each : refused) {
    refusals.push_back({{"name", each.name}, {"suggested", each.suggested}, {"why", each.why}});
  }
  return {{"memory", std::move(past)}, {"refused", std::move(refusals)}, {"context", context}};
}

OptimizerState OptimizerState::FromJson(const Json& json) {
  OptimizerState state;
  for (const Json& each : JsonArray(json, "memory")) {
    state.memory.push_back({JsonObject(each, "variables"), JsonString(each, "feedback")});
  }
  for (const Json& each : JsonArray(json, "refused")) {
    state.refused.push_back(
        {JsonString(each, "name"), JsonString(each, "suggested"), JsonString(each, "why")});
  }
  state.context = JsonString(json, "context");
  return state;
}

void Remember(const Problem& problem, const GraphProposal& proposal, size_t size,
              OptimizerState& state) {
  state.refused = proposal.refused;
  OptimizerState::Past past{Json::object(), problem.feedback};
  for (const ProblemValue& each : problem.variables) past.variables[each.name] = JsonOf(each.value);
  state.memory.push_back(std::move(past));
  while (state.memory.size() > size) state.memory.pop_front();
}

}  // namespace troupe
