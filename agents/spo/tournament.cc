#include "agents/spo/tournament.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "agents/spo/belief.h"
#include "agents/spo/guards.h"
#include "agents/spo/round_plan.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kFinalists = 5;              // beside the first prompt
constexpr size_t kTogether = 4;               // in one match, if there are as many ...
constexpr size_t kTogetherOnOneQuestion = 6;  // ... and where rounds are on one question
constexpr double kShare = 0.3;                // of what may be spent
// Where held-out questions are few, matches are over fewer of them.
constexpr size_t kWantedMatches = 8;
// The result is ahead of the first prompt by as many standard deviations, those by all comparisons
// and those of its lead in the matches together, and by more with the logarithm of the root of the
// number of matches: 4 after three of them, 5 after twenty. More than is usual for two tests, as it
// is the best of many that were looked at after each match ...
constexpr double kSure = 3.5;
// ... and has won as many more matches against it than it lost. The tournament goes on until it is
// this far ahead:
constexpr int kLeastLead = 2;
constexpr int kWantedLead = 6;
// Who is behind the leader by more standard deviations is not looked at again.
constexpr double kBehind = 1;

// How strong a prompt is, less what its length and looseness take.
double Worth(const Ground& ground, const Belief& belief, int number) {
  return belief.strength(number) - PenaltyOf(ground.candidate(number).text, ground.options.prompt);
}

// Held-out questions of one match.
size_t MatchSize(const Ground& ground) {
  const size_t most = ground.outcome.held_out.size() / kWantedMatches;
  return std::max(size_t{1}, std::min(static_cast<size_t>(ground.round_size.sample), most));
}

size_t MatchesOf(const Ground& ground) {
  const size_t size = MatchSize(ground);
  return (ground.outcome.held_out.size() + size - 1) / size;
}

// The strongest of those that were tried in the search, and of the one that was made of what seemed
// to help there, if stronger than the first one.
std::vector<int> FinalistsOf(const Ground& ground, const Belief& all) {
  std::set<int> tried;
  for (const Duel& duel : ground.outcome.duels) tried.insert({duel.left, duel.right});
  if (ground.last_join > 0) tried.insert(ground.last_join);
  std::vector<int> finalists;
  for (const int number : tried) {
    if (Worth(ground, all, number) > Worth(ground, all, 1)) finalists.push_back(number);
  }
  std::stable_sort(finalists.begin(), finalists.end(), [&](int one, int other) {
    return Worth(ground, all, one) > Worth(ground, all, other);
  });
  finalists.resize(std::min(finalists.size(), kFinalists));
  return finalists;
}

// Matches of the tournament that it won against the first prompt, less those that it lost.
int LeadOf(const Ground& ground, int number) {
  int lead = 0;
  for (const Duel& duel : ground.outcome.duels) {
    const auto [low, high] = std::minmax(duel.left, duel.right);
    const Preference preference = duel.verdict.preference;
    if (duel.round != 0 || low != 1 || high != number || preference == Preference::kNeutral) {
      continue;
    }
    lead += (preference == Preference::kLeft) == (duel.left == number) ? 1 : -1;
  }
  return lead;
}

bool SurelyAboveFirst(const Ground& ground, const Belief& all, int number, int least_lead) {
  const int lead = LeadOf(ground, number);
  if (lead < least_lead) return false;
  const double ahead = Worth(ground, all, number) - Worth(ground, all, 1);
  // What a lead between equals deviates by.
  const double root = std::sqrt(static_cast<double>(ground.matches));
  return ahead / all.deviation(number, 1) + lead / root > kSure + std::log(root);
}

int LeaderOf(const Ground& ground, const Belief& all, const std::vector<int>& finalists) {
  return *std::max_element(finalists.begin(), finalists.end(), [&](int one, int other) {
    return Worth(ground, all, one) < Worth(ground, all, other);
  });
}

// Adds those that are not among the finalists yet.
void AddFinalists(Ground& ground, const std::vector<int>& numbers) {
  for (const int number : numbers) {
    if (!IsAmong(ground.finalists, number)) ground.finalists.push_back(number);
  }
}

// Who of the `strongest` meets next: the first prompt until the leader is surely above it, the
// leader, those that may yet be better, and more until there are some, as it takes no more calls of
// the judge and a judge that ranks several shows whether it looked. As many as calls are left for;
// nobody if the matter is settled.
std::vector<int> NextMatch(const Ground& ground, const Belief& all,
                           const std::vector<int>& strongest, const Items& items) {
  const int leader = LeaderOf(ground, all, strongest);
  std::vector<int> prompts;
  if (!SurelyAboveFirst(ground, all, leader, kWantedLead)) prompts.push_back(1);
  prompts.push_back(leader);
  std::vector<int> others;
  for (const int number : strongest) {
    if (number == leader) continue;
    const double behind = Worth(ground, all, leader) - Worth(ground, all, number);
    auto& whom = behind < kBehind * all.deviation(leader, number) ? prompts : others;
    whom.push_back(number);
  }
  if (prompts.size() < 2) return {};
  const bool narrow = ground.round_size.sample == 1;
  const size_t together = narrow ? kTogetherOnOneQuestion : kTogether;
  for (const int number : others) {
    if (prompts.size() < together) prompts.push_back(number);
  }
  while (prompts.size() > 1 && !ground.Affords(ground.CostOf(prompts, items), 0)) {
    prompts.pop_back();
  }
  if (prompts.size() < 2) prompts.clear();
  return prompts;
}

// What became of the prompt that was made for the tournament; the search settled the others.
void SettleLastJoin(Ground& ground, const Belief& all) {
  if (!IsAmong(ground.finalists, ground.last_join)) return;
  Candidate& join = ground.candidate(ground.last_join);
  if (join.fate != PromptFate::kOpen || ground.matches == 0) return;
  const bool better = Worth(ground, all, join.number) > Worth(ground, all, join.parent);
  join.fate = better ? PromptFate::kAccepted : PromptFate::kRejected;
  join.reason = fmt::format("Made of what seemed to help; {} of {} matches ahead of the first one.",
                            LeadOf(ground, join.number), ground.matches);
}

}  // namespace

int64_t TournamentReserve(const Ground& ground, int64_t allowed) {
  const auto held_out = static_cast<int64_t>(ground.outcome.held_out.size());
  const auto matches = static_cast<int64_t>(MatchesOf(ground));
  const int64_t most =
      static_cast<int64_t>(kFinalists + 1) * held_out * ground.book.CallsPerRun() + 2 * matches;
  return std::min(most, static_cast<int64_t>(kShare * static_cast<double>(allowed)));
}

AsyncStatus RunTournament(Ground& ground) {
  CO_ASSIGN_OR_RETURN(Belief all, Belief::Of(ground.outcome, Evidence::kAll));
  std::vector<int> strongest = FinalistsOf(ground, all);
  if (strongest.empty()) co_return absl::OkStatus();
  const std::vector<Item>& held_out = ground.outcome.held_out;
  const size_t sample = MatchSize(ground);
  Scope tournament = ground.task->Open("tournament", "tournament", "Held-out questions");
  absl::Status done;
  for (size_t at = 0; at < held_out.size(); at += sample) {
    Items items;
    for (size_t i = at; i < std::min(at + sample, held_out.size()); ++i) {
      items.push_back(&held_out[i]);
    }
    AddFinalists(ground, strongest);
    auto prompts = NextMatch(ground, all, strongest, items);
    if (prompts.empty()) break;
    const int number = ground.matches + 1;
    Scope match = tournament.Open("match", fmt::format("match:{}", number),
                                  fmt::format("{} prompts", prompts.size()));
    done = co_await ground.Compare(match, 0, std::move(prompts), std::move(items));
    match.End(done);
    if (!done.ok()) break;
    ground.matches = number;
    CO_ASSIGN_OR_RETURN(all, Belief::Of(ground.outcome, Evidence::kAll));
    // A match tells of changes too, and so of prompts that were not in it. With few calls it is the
    // same ones all the same: none could be proven better if each had but some of the matches.
    if (!ground.round_size.few_calls) strongest = FinalistsOf(ground, all);
    if (strongest.empty()) break;
    tournament.Progress(fmt::format("Tournament, match {}: prompt {} leads", number,
                                    LeaderOf(ground, all, strongest)));
  }
  tournament.End(done);
  co_return done;
}

absl::Status ChooseResult(Ground& ground) {
  SpoOutcome& outcome = ground.outcome;
  ASSIGN_OR_RETURN(const Belief all, Belief::Of(outcome, Evidence::kAll));
  SettleLastJoin(ground, all);
  std::vector<int> sure;
  for (const int number : ground.finalists) {
    if (SurelyAboveFirst(ground, all, number, kLeastLead)) sure.push_back(number);
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
  if (MatchesOf(ground) < static_cast<size_t>(kLeastLead)) {
    outcome.choice += fmt::format(
        " That takes {} held-out questions at the least, and there were {}: give more questions.",
        kLeastLead, outcome.held_out.size());
  }
  return absl::OkStatus();
}

}  // namespace troupe
