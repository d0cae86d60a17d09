#include "agents/spo/tournament.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/spo/belief.h"
#include "agents/spo/guards.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kFinalists = 5;  // beside the first prompt
constexpr double kShare = 0.35;   // of what may be spent
// Fewer matches prove nothing, whoever wins them.
constexpr int kLeastMatches = 4;
// Two prompts that meet each other alone need as many for one to be surely ahead that wins them
// all; so where held-out questions are few, matches are over fewer of them.
constexpr size_t kLeastDuels = 7;
constexpr size_t kWantedMatches = 8;
// Standard deviations by which a prompt must be ahead of the first one: one-sided 97.7 %. More than
// 95 %, as several prompts are looked at, and several times.
constexpr double kSure = 2;
// Who is behind the leader by more of them is not looked at again.
constexpr double kBehind = 1;

// How strong a prompt is, less what its length and looseness take.
double Worth(const Ground& ground, const Belief& belief, int number) {
  return belief.strength(number) - PenaltyOf(ground.candidate(number).text, ground.options.prompt);
}

// Held-out questions of one match.
size_t MatchSize(const Ground& ground) {
  const size_t most = ground.outcome.held_out.size() / kWantedMatches;
  return std::max(size_t{1}, std::min(static_cast<size_t>(ground.options.sample), most));
}

size_t MatchesOf(const Ground& ground) {
  const size_t size = MatchSize(ground);
  return (ground.outcome.held_out.size() + size - 1) / size;
}

// The strongest of those that were tried in the search.
std::vector<int> FinalistsOf(const Ground& ground, const Belief& all) {
  std::vector<int> finalists;
  for (const Candidate& candidate : ground.outcome.candidates) {
    if (candidate.fate == PromptFate::kAccepted) finalists.push_back(candidate.number);
  }
  std::stable_sort(finalists.begin(), finalists.end(), [&](int one, int other) {
    return Worth(ground, all, one) > Worth(ground, all, other);
  });
  finalists.resize(std::min(finalists.size(), kFinalists));
  return finalists;
}

bool SurelyAboveFirst(const Ground& ground, const Belief& tournament, int number) {
  if (ground.matches < kLeastMatches || !tournament.knows(number)) return false;
  const double ahead = Worth(ground, tournament, number) - Worth(ground, tournament, 1);
  return ahead > kSure * tournament.deviation(number, 1);
}

int LeaderOf(const Ground& ground, const Belief& all, const std::vector<int>& finalists) {
  return *std::max_element(finalists.begin(), finalists.end(), [&](int one, int other) {
    return Worth(ground, all, one) < Worth(ground, all, other);
  });
}

// Who meets next: the leader, those that may yet be better, and the first prompt until the leader
// is surely above it. As many as calls are left for; nobody if the matter is settled.
std::vector<int> NextMatch(const Ground& ground, const Belief& all, const Belief* tournament,
                           const Items& items) {
  const int leader = LeaderOf(ground, all, ground.finalists);
  std::vector<int> prompts;
  if (tournament == nullptr || !SurelyAboveFirst(ground, *tournament, leader)) prompts.push_back(1);
  prompts.push_back(leader);
  for (const int number : ground.finalists) {
    const double behind = Worth(ground, all, leader) - Worth(ground, all, number);
    if (number == leader || behind >= kBehind * all.deviation(leader, number)) continue;
    prompts.push_back(number);
  }
  while (prompts.size() > 1 && !ground.Affords(ground.CostOf(prompts, items), 0)) {
    prompts.pop_back();
  }
  if (prompts.size() < 2) prompts.clear();
  return prompts;
}

}  // namespace

int64_t TournamentReserve(const Ground& ground, int64_t allowed) {
  const auto held_out = static_cast<int64_t>(ground.outcome.held_out.size());
  const auto matches = static_cast<int64_t>(MatchesOf(ground));
  const int64_t most = static_cast<int64_t>(kFinalists + 1) * held_out + 2 * matches;
  return std::min(most, static_cast<int64_t>(kShare * static_cast<double>(allowed)));
}

AsyncStatus RunTournament(Ground& ground) {
  CO_ASSIGN_OR_RETURN(Belief all, Belief::Of(ground.outcome, Evidence::kAll));
  std::optional<Belief> tried;
  ground.finalists = FinalistsOf(ground, all);
  if (ground.finalists.empty()) co_return absl::OkStatus();
  const std::vector<Item>& held_out = ground.outcome.held_out;
  const size_t sample = MatchSize(ground);
  Scope tournament = ground.task->Open("tournament", "tournament", "Held-out questions");
  absl::Status done;
  for (size_t at = 0; at < held_out.size(); at += sample) {
    Items items;
    for (size_t i = at; i < std::min(at + sample, held_out.size()); ++i) {
      items.push_back(&held_out[i]);
    }
    auto prompts = NextMatch(ground, all, tried.has_value() ? &*tried : nullptr, items);
    if (prompts.empty()) break;
    const int number = ground.matches + 1;
    Scope match = tournament.Open("match", fmt::format("match:{}", number),
                                  fmt::format("{} prompts", prompts.size()));
    done = co_await ground.Compare(match, 0, std::move(prompts), std::move(items), 1);
    match.End(done);
    if (!done.ok()) break;
    ground.matches = number;
    CO_ASSIGN_OR_RETURN(all, Belief::Of(ground.outcome, Evidence::kAll));
    CO_ASSIGN_OR_RETURN(tried, Belief::Of(ground.outcome, Evidence::kTournament));
    tournament.Progress(fmt::format("Tournament, match {}: prompt {} leads", number,
                                    LeaderOf(ground, all, ground.finalists)));
  }
  tournament.End(done);
  co_return done;
}

absl::Status ChooseResult(Ground& ground) {
  SpoOutcome& outcome = ground.outcome;
  ASSIGN_OR_RETURN(const Belief all, Belief::Of(outcome, Evidence::kAll));
  ASSIGN_OR_RETURN(const Belief tournament, Belief::Of(outcome, Evidence::kTournament));
  std::vector<int> sure;
  for (const int number : ground.matches > 0 ? ground.finalists : std::vector<int>()) {
    if (SurelyAboveFirst(ground, tournament, number)) sure.push_back(number);
  }
  if (!sure.empty()) {
    outcome.best = LeaderOf(ground, all, sure);
    outcome.choice = "The strongest of the prompts that are surely better than the first one.";
    return absl::OkStatus();
  }
  outcome.best = 1;
  if (FinalistsOf(ground, all).empty()) {
    outcome.choice = "No prompt won against the first one.";
    return absl::OkStatus();
  }
  outcome.choice =
      "Of the prompts that won in the search none is surely better than the first one.";
  if (MatchesOf(ground) < kLeastDuels) {
    outcome.choice += fmt::format(
        " That takes {} held-out questions at the least, and there were {}: give more questions.",
        kLeastDuels, outcome.held_out.size());
  }
  return absl::OkStatus();
}

}  // namespace troupe
