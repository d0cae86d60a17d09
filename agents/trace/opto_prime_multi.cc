#include "agents/trace/opto_prime_multi.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agents/prompts/render.h"
#include "agents/runtime/branches.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr double kAlike = 0.2;
constexpr size_t kMaxPersona = 500;

Json ChoiceSchema(size_t count) {
  return {{"type", "object"},
          {"properties",
           {{"reasoning", {{"type", "string"}}},
            {"best", {{"type", "integer"}, {"minimum", 1}, {"maximum", count}}}}},
          {"required", {"reasoning", "best"}},
          {"additionalProperties", false}};
}

Json ExpertsSchema(int count) {
  return {{"type", "object"},
          {"properties",
           {{"experts",
             {{"type", "array"},
              {"items", {{"type", "string"}, {"maxLength", kMaxPersona}}},
              {"minItems", count},
              {"maxItems", count}}}}},
          {"required", {"experts"}},
          {"additionalProperties", false}};
}

std::map<std::string, int> PairsOf(const std::string& text) {
  std::map<std::string, int> pairs;
  for (size_t i = 0; i + 1 < text.size(); ++i) ++pairs[text.substr(i, 2)];
  return pairs;
}

double Distance(const std::string& left, const std::string& right) {
  if (left == right) return 0;
  const auto left_pairs = PairsOf(left);
  const auto right_pairs = PairsOf(right);
  int both = 0;
  for (const auto& [pair, count] : left_pairs) {
    const auto other = right_pairs.find(pair);
    if (other != right_pairs.end()) both += std::min(count, other->second);
  }
  const size_t all = left.size() + right.size();
  return all <= 2 ? 1 : 1 - 2.0 * both / static_cast<double>(all - 2);
}

std::string SuggestionText(const GraphProposal& proposal) {
  return DumpJson(JsonMember(ProposalJson(proposal), "suggestion"));
}

}  // namespace

size_t Majority(const std::vector<std::string>& texts) {
  std::vector<size_t> group(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) group[i] = i;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (group[i] == group[j] || Distance(texts[i], texts[j]) > kAlike) continue;
      const size_t from = std::max(group[i], group[j]);
      const size_t to = std::min(group[i], group[j]);
      std::replace(group.begin(), group.end(), from, to);
    }
  }
  size_t best = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto size = [&group](size_t of) { return std::count(group.begin(), group.end(), of); };
    if (size(i) > size(group[best])) best = i;
  }
  return best;
}

Async<std::vector<GraphProposal>> OptoPrimeMulti::SideBySide(
    const Scope& scope, std::string name, const Problem& problem, const OptimizerState& state,
    std::vector<OptoPrimeVariation> variations) const {
  std::vector<NamedBranch<GraphProposal>> branches;
  branches.reserve(variations.size());
  for (size_t i = 0; i < variations.size(); ++i) {
    // All waits for every branch, so what they refer to outlives them.
    branches.push_back(
        {"proposal", fmt::format("{}.candidate:{}", name, i + 1), "",
         [this, &problem, &state, variation = variations[i]](Scope branch) -> Async<GraphProposal> {
           auto proposal = co_await one_.ProposeAs(branch, "propose", problem, state, variation);
           branch.End(proposal.status());
           co_return proposal;
         }});
  }
  std::vector<GraphProposal> proposals;
  absl::Status failure;
  auto results = co_await All(scope, std::move(branches));
  for (absl::StatusOr<GraphProposal>& result : results) {
    if (!result.ok() && failure.ok()) failure = result.status();
    if (result.ok()) proposals.push_back(*std::move(result));
  }
  if (proposals.empty()) CO_RETURN_IF_ERROR(failure);
  co_return proposals;
}

Async<std::vector<GraphProposal>> OptoPrimeMulti::OneAfterAnother(
    const Scope& scope, std::string name, const Problem& problem,
    const OptimizerState& state) const {
  std::vector<GraphProposal> proposals;
  OptoPrimeVariation variation;
  for (int i = 1; i <= options_.count; ++i) {
    const std::string effect = fmt::format("{}.candidate:{}", name, i);
    auto proposal = co_await one_.ProposeAs(scope, effect, problem, state, variation);
    if (!proposal.ok() && proposals.empty()) co_return proposal.status();
    if (!proposal.ok()) break;
    variation.earlier.push_back(PrettyJson(ProposalJson(*proposal)));
    variation.use = options_.generation == MultiOptions::Generation::kRefinement
                        ? OptoPrimeVariation::Earlier::kRefine
                        : OptoPrimeVariation::Earlier::kDiffer;
    proposals.push_back(*std::move(proposal));
  }
  co_return proposals;
}

Async<std::vector<std::string>> OptoPrimeMulti::Experts(const Scope& scope, std::string name,
                                                        const Problem& problem) const {
  const Json values = {{"problem", SectionText(SectionsOf(problem, one_.options().layout))},
                       {"number", options_.count}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "trace.experts", values));
  request.reply_schema = ReplySchema{"experts", ExpertsSchema(options_.count)};
  CO_ASSIGN_OR_RETURN(const Json reply,
                      co_await scope.ChatJson(name, kTraceOptimizer, std::move(request)));
  std::vector<std::string> experts;
  for (const Json& each : JsonArray(reply, "experts")) experts.push_back(each.get<std::string>());
  co_return experts;
}

Async<std::vector<GraphProposal>> OptoPrimeMulti::Generate(const Scope& scope, std::string name,
                                                           const Problem& problem,
                                                           const OptimizerState& state) const {
  std::vector<OptoPrimeVariation> variations(static_cast<size_t>(options_.count));
  switch (options_.generation) {
    case MultiOptions::Generation::kTemperature:
      for (size_t i = 0; i < variations.size(); ++i) {
        variations[i].temperature =
            variations.size() == 1
                ? 0
                : 1 - static_cast<double>(i) / static_cast<double>(variations.size() - 1);
      }
      co_return co_await SideBySide(scope, name, problem, state, std::move(variations));
    case MultiOptions::Generation::kExperts: {
      CO_ASSIGN_OR_RETURN(const std::vector<std::string> experts,
                          co_await Experts(scope, name + ".experts", problem));
      for (size_t i = 0; i < variations.size() && i < experts.size(); ++i) {
        variations[i].persona = experts[i];
      }
      co_return co_await SideBySide(scope, name, problem, state, std::move(variations));
    }
    case MultiOptions::Generation::kRefinement:
    case MultiOptions::Generation::kAlternatives:
      break;
  }
  co_return co_await OneAfterAnother(scope, name, problem, state);
}

Async<size_t> OptoPrimeMulti::Best(const Scope& scope, std::string name, const Problem& problem,
                                   const std::vector<GraphProposal>& proposals) const {
  Json shown = Json::array();
  for (const GraphProposal& each : proposals) {
    shown.push_back({{"number", shown.size() + 1}, {"answer", PrettyJson(ProposalJson(each))}});
  }
  const Json values = {{"problem", SectionText(SectionsOf(problem, one_.options().layout))},
                       {"proposals", std::move(shown)}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "trace.select", values));
  request.temperature = 0;
  request.reply_schema = ReplySchema{"choice", ChoiceSchema(proposals.size())};
  const auto reply = co_await scope.ChatJson(name, kTraceOptimizer, std::move(request));
  // Without a choice the first will do: it is as good as any to whoever cannot tell.
  if (HasReason(reply.status(), Reason::kModelBadReply)) co_return size_t{0};
  CO_RETURN_IF_ERROR(reply.status());
  co_return static_cast<size_t>(JsonInt(*reply, "best", 1)) - 1;
}

Async<GraphProposal> OptoPrimeMulti::Propose(const Scope& scope, std::string name,
                                             const Problem& problem,
                                             const OptimizerState& state) const {
  if (problem.variables.empty()) co_return GraphProposal();
  CO_ASSIGN_OR_RETURN(std::vector<GraphProposal> proposals,
                      co_await Generate(scope, name, problem, state));
  // One that could not be read, or changes nothing, is no candidate beside those that do.
  std::vector<GraphProposal> useful;
  for (const GraphProposal& each : proposals) {
    if (!each.changes.empty() || each.finished) useful.push_back(each);
  }
  if (useful.empty()) co_return proposals.front();
  // Where all say the same there is nothing to choose and nothing to merge.
  const std::string first = SuggestionText(useful.front());
  const bool same = std::all_of(useful.begin(), useful.end(), [&first](const GraphProposal& each) {
    return SuggestionText(each) == first;
  });
  if (same) co_return useful.front();
  switch (options_.selection) {
    case MultiOptions::Selection::kLast:
      break;
    case MultiOptions::Selection::kMajority: {
      std::vector<std::string> texts;
      texts.reserve(useful.size());
      for (const GraphProposal& each : useful) texts.push_back(SuggestionText(each));
      co_return useful[Majority(texts)];
    }
    case MultiOptions::Selection::kMerge: {
      OptoPrimeVariation merge;
      merge.use = OptoPrimeVariation::Earlier::kMerge;
      merge.earlier.reserve(useful.size());
      for (const GraphProposal& each : useful) {
        merge.earlier.push_back(PrettyJson(ProposalJson(each)));
      }
      co_return co_await one_.ProposeAs(scope, name + ".merge", problem, state, std::move(merge));
    }
    case MultiOptions::Selection::kBest: {
      CO_ASSIGN_OR_RETURN(const size_t best,
                          co_await Best(scope, name + ".select", problem, useful));
      co_return useful[std::min(best, useful.size() - 1)];
    }
  }
  co_return useful.back();
}

}  // namespace troupe
