#include "agents/spo/ground.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agents/spo/guards.h"
#include "agents/spo/record.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// One vote on each set of questions: another vote is taken on other questions, which tells more.
constexpr JurySettings kOneVote{.votes = 1, .all_votes = 1};
constexpr double kSure = 1.645;  // standard deviations: one-sided 95 %

}  // namespace

Ground::Ground(Scope* of_task, SpoOptions of_options, SpoRoles of_roles)
    : task(of_task),
      options(std::move(of_options)),
      roles(of_roles),
      book(of_roles.executor),
      jury(of_roles.evaluator, kOneVote) {}

Async<std::vector<Preference>> Ground::Fight(const Scope& scope, int round,
                                             std::vector<std::pair<int, int>> pairs, Items items) {
  std::map<int, std::string> texts;
  for (const auto& [left, right] : pairs) {
    texts[left] = candidate(left).text;
    texts[right] = candidate(right).text;
  }
  CO_RETURN_IF_ERROR(co_await book.Fill(scope, std::move(texts), items));
  const Matter matter = MatterOf(options.requirements, items);
  std::vector<Contest> contests;
  contests.reserve(pairs.size());
  for (const auto& [left, right] : pairs) {
    contests.push_back({matter, SheetOf(book, left, items), SheetOf(book, right, items)});
  }
  const auto verdicts = co_await jury.Compare(scope, std::move(contests));
  std::vector<Preference> preferences;
  for (size_t i = 0; i < pairs.size(); ++i) {
    CO_RETURN_IF_ERROR(verdicts[i].status());
    preferences.push_back(verdicts[i]->preference);
    outcome.duels.push_back({round, pairs[i].first, pairs[i].second, *verdicts[i], IdsOf(items)});
  }
  co_return preferences;
}

Async<std::vector<Preference>> Ground::FightAll(const Scope& scope, int round,
                                                std::vector<int> prompts, Items items) {
  std::map<int, std::string> texts;
  for (const int prompt : prompts) texts[prompt] = candidate(prompt).text;
  CO_RETURN_IF_ERROR(co_await book.Fill(scope, std::move(texts), items));
  std::vector<std::string> sheets;
  sheets.reserve(prompts.size());
  for (const int prompt : prompts) sheets.push_back(SheetOf(book, prompt, items));
  CO_ASSIGN_OR_RETURN(const Ranking ranking,
                      co_await jury.Rank(scope, MatterOf(options.requirements, items), sheets));
  std::vector<Preference> against_first;
  for (const Ranking::Pair& pair : ranking.pairs) {
    if (pair.left == 0) against_first.push_back(pair.preference);
    const Vote vote{pair.preference, ranking.reason, ranking.reversed_reason};
    outcome.duels.push_back({round, prompts[pair.left], prompts[pair.right],
                             Judgement{pair.preference, {vote}}, IdsOf(items)});
  }
  co_return against_first;
}

int64_t Ground::CostOf(const std::vector<std::pair<int, int>>& pairs, const Items& items) const {
  std::set<int> prompts;
  for (const auto& [left, right] : pairs) prompts.insert({left, right});
  return book.Missing({prompts.begin(), prompts.end()}, items) +
         2 * static_cast<int64_t>(pairs.size());
}

bool Ground::Affords(int64_t calls, int64_t reserve) const {
  const auto left = roles.allowance->CallsLeft(*task);
  return !left.has_value() || *left >= calls + reserve;
}

absl::StatusOr<Standing> Standing::Of(const Ground& ground) {
  Standing standing;
  BradleyTerryPrior prior;
  std::map<int, size_t>& indices = standing.indices_;
  for (const Candidate& candidate : ground.outcome.candidates) {
    if (candidate.fate != PromptFate::kSeed && candidate.fate != PromptFate::kAccepted) continue;
    const auto parent = indices.find(candidate.parent);
    prior.parents.push_back(parent == indices.end() ? kNoParent : parent->second);
    indices.emplace(candidate.number, indices.size());
    standing.penalties_.push_back(PenaltyOf(candidate.text, ground.options.prompt));
  }
  std::vector<PairResult> results;
  std::vector<PairResult> held_out;
  for (const Duel& duel : ground.outcome.duels) {
    const auto left = indices.find(duel.left);
    const auto right = indices.find(duel.right);
    if (left == indices.end() || right == indices.end()) continue;
    results.push_back(ResultOf(left->second, right->second, duel.verdict.preference));
    if (duel.round == 0) held_out.push_back(results.back());
  }
  ASSIGN_OR_RETURN(standing.fit_, FitBradleyTerry(indices.size(), results, prior));
  if (held_out.empty()) return standing;
  ASSIGN_OR_RETURN(standing.held_out_fit_, FitBradleyTerry(indices.size(), held_out));
  return standing;
}

double Standing::strength(int number) const {
  return fit_.strength(IndexOf(number)) - penalties_[IndexOf(number)];
}

int Standing::Strongest(const std::vector<int>& numbers) const {
  return *std::max_element(numbers.begin(), numbers.end(),
                           [this](int one, int other) { return strength(one) < strength(other); });
}

bool Standing::SurelyAbove(int number, int other) const {
  const size_t one = IndexOf(number);
  const size_t two = IndexOf(other);
  const BradleyTerryFit& fit = held_out_fit_.has_value() ? *held_out_fit_ : fit_;
  const double ahead = fit.difference(one, two) - penalties_[one] + penalties_[two];
  return ahead > kSure * fit.difference_deviation(one, two);
}

}  // namespace troupe
