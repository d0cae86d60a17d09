#include "agents/trace/opto_prime.h"

#include <fmt/format.h>

#include "agents/models/structured_reply.h"
#include "agents/prompts/render.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kTerminate[] = "TERMINATE";

Json ValuesOf(const Problem& problem, const OptoPrimeOptions& options) {
  const ProblemSections sections = SectionsOf(problem, options.layout);
  Json names = Json::array();
  for (const ProblemValue& each : problem.variables) names.push_back(each.name);
  return {{"problem", options.form == OptoPrimeOptions::Form::kTags
                          ? TaggedText(problem, options.layout)
                          : SectionText(sections)},
          {"example", options.example},
          {"wanted", fmt::format("{}", fmt::join(names.get<std::vector<std::string>>(), ", "))}};
}

Json EarlierValues(const OptoPrimeVariation& variation) {
  Json list = Json::array();
  for (size_t i = 0; i < variation.earlier.size(); ++i) {
    list.push_back({{"number", i + 1}, {"answer", variation.earlier[i]}});
  }
  return list;
}

}  // namespace

bool SaysTerminate(const Json& reply) {
  const std::string answer = JsonString(reply, "answer");
  const size_t begin = answer.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return false;
  return answer.substr(begin, answer.find_last_not_of(" \t\r\n") - begin + 1) == kTerminate;
}

ReplySchema OptoPrimeReply(const Problem& problem) {
  const Json text = {{"type", "string"}};
  return {"optimization",
          {{"type", "object"},
           {"properties",
            {{"reasoning", text}, {"answer", text}, {"suggestion", SuggestionSchema(problem)}}},
           {"required", {"reasoning", "answer", "suggestion"}},
           {"additionalProperties", false}}};
}

Json MemoryValues(const OptimizerState& state) {
  Json list = Json::array();
  for (const OptimizerState::Past& each : state.memory) {
    list.push_back({{"number", list.size() + 1},
                    {"variables", PrettyJson(each.variables)},
                    {"feedback", each.feedback}});
  }
  return list;
}

Json RefusalValues(const std::vector<Refusal>& refused) {
  Json list = Json::array();
  for (const Refusal& each : refused) {
    list.push_back({{"name", each.name}, {"suggested", each.suggested}, {"why", each.why}});
  }
  return list;
}

Json ProposalJson(const GraphProposal& proposal) {
  Json suggestion = Json::object();
  for (const Change& each : proposal.changes) suggestion[each.name] = JsonOf(each.value);
  return {{"reasoning", proposal.reasoning},
          {"answer", proposal.answer},
          {"suggestion", std::move(suggestion)}};
}

absl::StatusOr<ChatRequest> OptoPrime::RequestFor(const Scope& scope, const Problem& problem,
                                                  const OptimizerState& state,
                                                  const OptoPrimeVariation& variation) const {
  const bool tags = options_.form == OptoPrimeOptions::Form::kTags;
  Json values = ValuesOf(problem, options_);
  values["past"] = MemoryValues(state);
  values["refused"] = RefusalValues(state.refused);
  values["context"] = state.context;
  values["persona"] = variation.persona;
  values["earlier"] = EarlierValues(variation);
  values["refine"] = variation.use == OptoPrimeVariation::Earlier::kRefine;
  values["differ"] = variation.use == OptoPrimeVariation::Earlier::kDiffer;
  values["merge"] = variation.use == OptoPrimeVariation::Earlier::kMerge;
  ASSIGN_OR_RETURN(ChatRequest request,
                   PromptRequest(scope, tags ? "trace.optoprime_tags" : "trace.optoprime", values));
  request.temperature =
      variation.temperature.has_value() ? variation.temperature : options_.temperature;
  request.max_tokens = options_.max_tokens;
  request.reply_schema = OptoPrimeReply(problem);
  return request;
}

Async<GraphProposal> OptoPrime::Propose(const Scope& scope, std::string name,
                                        const Problem& problem, const OptimizerState& state) const {
  OptoPrimeVariation plain;
  co_return co_await ProposeAs(scope, name, problem, state, std::move(plain));
}

Async<GraphProposal> OptoPrime::ProposeAs(const Scope& scope, std::string name,
                                          const Problem& problem, const OptimizerState& state,
                                          OptoPrimeVariation variation) const {
  GraphProposal proposal;
  if (problem.variables.empty()) co_return proposal;
  CO_ASSIGN_OR_RETURN(ChatRequest request, RequestFor(scope, problem, state, variation));
  for (int attempt = 0; attempt <= options_.corrections; ++attempt) {
    const std::string effect = attempt == 0 ? name : fmt::format("{}.correction:{}", name, attempt);
    const auto reply = co_await scope.ChatJson(effect, kTraceOptimizer, request);
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
    CO_ASSIGN_OR_RETURN(ReadValues read, co_await ReadSuggestions(scope, effect, problem,
                                                                  suggestions, options_.rules));
    proposal.changes = std::move(read.changes);
    proposal.refused = std::move(read.refused);
    if (proposal.refused.empty() || attempt == options_.corrections) break;
    const Json refusals = {{"refused", RefusalValues(proposal.refused)}};
    CO_ASSIGN_OR_RETURN(RenderedPrompt correction,
                        RenderPrompt(scope, "trace.correction", refusals));
    request.messages.push_back(AssistantMessage(DumpJson(*reply)));
    request.messages.push_back(UserMessage(std::move(correction.text)));
  }
  co_return proposal;
}

}  // namespace troupe
