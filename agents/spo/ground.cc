#include "agents/spo/ground.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agents/spo/record.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// One vote on each set of questions: another vote is taken on other questions, which tells more.
constexpr JurySettings kOneVote{.votes = 1, .all_votes = 1};
// Those who are ranked together are found out by as many answers as they are, and not by as many as
// there are pairs of them: a pair of n counts this much divided by n, and one comparison at most.
constexpr double kRankedWeight = 4;

}  // namespace

Ground::Ground(Scope* of_task, SpoOptions of_options, SpoRoles of_roles)
    : task(of_task),
      options(std::move(of_options)),
      roles(of_roles),
      book(of_roles.executor),
      jury(of_roles.evaluator, kOneVote),
      round_size(UsualRounds(options)) {}

AsyncStatus Ground::Compare(const Scope& scope, int round, std::vector<int> prompts, Items items) {
  std::map<int, std::string> texts;
  for (const int prompt : prompts) texts[prompt] = candidate(prompt).text;
  CO_RETURN_IF_ERROR(co_await book.Fill(scope, std::move(texts), items));
  Matter matter = MatterOf(options.requirements, items);
  std::vector<std::string> sheets;
  sheets.reserve(prompts.size());
  for (const int prompt : prompts) sheets.push_back(SheetOf(book, prompt, items));
  if (prompts.size() == 2) {
    std::vector<Contest> contests = {{matter, sheets[0], sheets[1]}};
    const auto verdicts = co_await jury.Compare(scope, std::move(contests));
    CO_RETURN_IF_ERROR(verdicts[0].status());
    outcome.duels.push_back({round, prompts[0], prompts[1], *verdicts[0], IdsOf(items), 1});
    co_return absl::OkStatus();
  }
  int calls = Jury::kRankingCalls;
  if (const auto left = roles.allowance->CallsLeft(*task); left.has_value()) {
    calls = static_cast<int>(std::clamp<int64_t>(*left, 2, calls));
  }
  CO_ASSIGN_OR_RETURN(Ranking ranking,
                      co_await jury.Rank(scope, std::move(matter), std::move(sheets), calls));
  const double weight = std::min(1.0, kRankedWeight / static_cast<double>(prompts.size()));
  for (Ranking::Pair& pair : ranking.pairs) {
    outcome.duels.push_back({round, prompts[pair.left], prompts[pair.right],
                             std::move(pair.verdict), IdsOf(items), weight});
  }
  co_return absl::OkStatus();
}

int64_t Ground::CostOf(const std::vector<int>& prompts, const Items& items) const {
  return book.Missing(prompts, items) * book.CallsPerRun() + 2;
}

bool Ground::Affords(int64_t calls, int64_t reserve) const {
  const auto left = roles.allowance->CallsLeft(*task);
  return !left.has_value() || *left >= calls + reserve;
}

}  // namespace troupe
