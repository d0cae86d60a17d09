#include "agents/spo/tournament.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// With the first prompt. A task that must save its calls has two: what is found out of a third one
// is not found out of the best.
constexpr size_t kFinalists = 4;
constexpr size_t kFinalistsOnABudget = 2;
constexpr double kShare = 0.35;  // of what may be spent
// Fewer matches than this prove nothing, even if one side wins them all (Standing::SurelyAbove); so
// where held-out questions are few, matches are over fewer of them.
constexpr size_t kLeastMatches = 6;
constexpr size_t kWantedMatches = 8;

// Held-out questions of one match.
size_t MatchSize(const Ground& ground) {
  const size_t most = ground.outcome.held_out.size() / kWantedMatches;
  return std::max(size_t{1}, std::min(static_cast<size_t>(ground.options.sample), most));
}

size_t MatchesOf(const Ground& ground) {
  const size_t size = MatchSize(ground);
  return (ground.outcome.held_out.size() + size - 1) / size;
}

size_t FinalistCount(const Ground& ground) {
  return ground.roles.allowance->CallsLeft(*ground.task).has_value() ? kFinalistsOnABudget
                                                                     : kFinalists;
}

// The strongest accepted prompts and the first one, which comes last.
std::vector<int> FinalistsOf(const Ground& ground, const Standing& standing) {
  std::vector<int> finalists;
  for (const Candidate& candidate : ground.outcome.candidates) {
    if (candidate.fate == PromptFate::kAccepted) finalists.push_back(candidate.number);
  }
  std::stable_sort(finalists.begin(), finalists.end(), [&standing](int one, int other) {
    return standing.strength(one) > standing.strength(other);
  });
  finalists.resize(std::min(finalists.size(), FinalistCount(ground) - 1));
  finalists.push_back(1);
  return finalists;
}

// The leader against all whom it does not surely beat, the first prompt foremost, as far as calls
// are left.
std::vector<std::pair<int, int>> NextPairs(const Ground& ground, const Standing& standing,
                                           const std::vector<int>& finalists, bool first,
                                           const Items& items) {
  const int leader = standing.Strongest(finalists);
  std::vector<std::pair<int, int>> pairs;
  for (auto rival = finalists.rbegin(); rival != finalists.rend(); ++rival) {
    if (*rival == leader || (!first && standing.SurelyAbove(leader, *rival))) continue;
    pairs.emplace_back(leader, *rival);
    if (!ground.Affords(ground.CostOf(pairs, items), 0)) pairs.pop_back();
  }
  return pairs;
}

}  // namespace

int64_t TournamentReserve(const Ground& ground, int64_t allowed) {
  const auto held_out = static_cast<int64_t>(ground.outcome.held_out.size());
  // Every finalist on every question, and the leader against each of the others.
  const auto finalists = static_cast<int64_t>(FinalistCount(ground));
  const auto matches = static_cast<int64_t>(MatchesOf(ground));
  const int64_t most = finalists * held_out + 2 * (finalists - 1) * (matches + 1);
  return std::min(most, static_cast<int64_t>(kShare * static_cast<double>(allowed)));
}

AsyncStatus RunTournament(Ground& ground) {
  CO_ASSIGN_OR_RETURN(Standing standing, Standing::Of(ground));
  const std::vector<int> finalists = FinalistsOf(ground, standing);
  ground.finalists = finalists;
  if (finalists.size() == 1) co_return absl::OkStatus();
  const std::vector<Item>& held_out = ground.outcome.held_out;
  const size_t sample = MatchSize(ground);
  Scope tournament = ground.task->Open("tournament", "tournament", "Held-out questions");
  absl::Status done;
  for (size_t at = 0; at < held_out.size(); at += sample) {
    Items items;
    for (size_t i = at; i < std::min(at + sample, held_out.size()); ++i) {
      items.push_back(&held_out[i]);
    }
    auto pairs = NextPairs(ground, standing, finalists, at == 0, items);
    if (pairs.empty()) break;
    Scope match = tournament.Open("match", fmt::format("match:{}", at / sample + 1), "");
    done = (co_await ground.Fight(match, 0, std::move(pairs), std::move(items))).status();
    match.End(done);
    if (!done.ok()) break;
    CO_ASSIGN_OR_RETURN(standing, Standing::Of(ground));
    const int leader = standing.Strongest(finalists);
    tournament.Progress(
        fmt::format("Tournament, match {}: prompt {} leads", at / sample + 1, leader));
  }
  tournament.End(done);
  co_return done;
}

absl::Status ChooseResult(Ground& ground) {
  ASSIGN_OR_RETURN(const Standing standing, Standing::Of(ground));
  SpoOutcome& outcome = ground.outcome;
  // Those who took part: whoever would take part by now was not tried on held-out questions.
  const std::vector<int> finalists =
      ground.finalists.empty() ? FinalistsOf(ground, standing) : ground.finalists;
  std::vector<int> sure;
  for (const int number : finalists) {
    if (number != 1 && standing.SurelyAbove(number, 1)) sure.push_back(number);
  }
  if (finalists.size() == 1) {
    outcome.best = 1;
    outcome.choice = "No prompt won against the first one.";
  } else if (sure.empty()) {
    outcome.best = 1;
    outcome.choice =
        "Of the prompts that won in the search none is surely better than the first one.";
    if (MatchesOf(ground) < kLeastMatches) {
      outcome.choice += fmt::format(
          " That takes {} held-out questions at the least, and there were {}: give more questions.",
          kLeastMatches, ground.outcome.held_out.size());
    }
  } else {
    outcome.best = standing.Strongest(sure);
    outcome.choice = "The strongest of the prompts that are surely better than the first one.";
  }
  return absl::OkStatus();
}

}  // namespace troupe
