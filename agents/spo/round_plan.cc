#include "agents/spo/round_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace troupe {
namespace {

// Earlier prompts that are tried once more in a round, by themselves and not as a join.
constexpr size_t kComebacks = 2;
// Draws for each place of a round: many come out the same once much is known.
constexpr int kDrawsForAPlace = 3;
// How far draws go from what is believed: with 1 as far as it may be wrong (Thompson's sampling).
// Less, as rounds are few and what is found out late is of little use.
constexpr double kSpread = 0.6;

}  // namespace

bool IsAmong(const std::vector<int>& numbers, int number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

int ChangesWanted(const RoundSize& size) { return size.challengers + 2; }

RoundPlan Planner::ForRound(int round) const {
  RoundPlan plan;
  const auto draw = [&](const char* what, size_t i) {
    return belief_->Draw(ground_->task->Random(fmt::format("{}:{}.{}", what, round, i)), kSpread);
  };
  const int places = ground_->round_size.challengers;
  for (size_t i = 0; i < std::min(kComebacks, static_cast<size_t>(places / 3)); ++i) {
    const Belief::Drawn drawn = draw("comeback", i);
    int found = best_;
    for (const auto& [number, times] : *tried_) {
      const bool out = number == 1 || IsAmong(plan.comebacks, number) || TriedEnough(number);
      if (!out && drawn.prompts.at(number) > drawn.prompts.at(found)) found = number;
    }
    if (found != best_) plan.comebacks.push_back(found);
  }
  // In the round in which changes were collected there are enough of them, if there are any.
  const auto known = static_cast<int>(belief_->changes().size());
  const int fresh =
      round == 2 ? 0 : std::clamp(ChangesWanted(ground_->round_size) - known, 1, places);
  const auto full = [&] {
    return static_cast<int>(plan.comebacks.size() + plan.joins.size()) + fresh >= places;
  };
  for (int i = 0; i < kDrawsForAPlace * places && !full(); ++i) {
    AddJoin(draw("join", static_cast<size_t>(i)), plan);
  }
  // With few changes draws leave places: these go to changes that were never tried alone.
  for (const Candidate& candidate : ground_->outcome.candidates) {
    const int number = candidate.number;
    if (full() || candidate.fate != PromptFate::kOpen || tried_->contains(number)) continue;
    if (!IsAmong(plan.comebacks, number)) plan.comebacks.push_back(number);
  }
  plan.with_new_change = fresh;
  return plan;
}

RoundPlan Planner::ForLastJoin() const {
  RoundPlan plan;
  AddJoin(belief_->Draw(0, 0), plan);
  return plan;
}

bool Planner::TriedEnough(int number) const {
  const auto tried = tried_->find(number);
  return tried != tried_->end() && tried->second >= ground_->options.votes;
}

void Planner::AddJoin(const Belief::Drawn& drawn, RoundPlan& plan) const {
  RoundPlan::Made made;
  std::set<int> changes = ground_->candidate(best_).changes;
  for (const auto& [change, effect] : drawn.changes) {
    const bool has = changes.contains(change);
    if (has == (effect > 0)) continue;
    if (has) {
      changes.erase(change);
      made.taken.push_back(change);
    } else {
      changes.insert(change);
      made.added.push_back(change);
    }
  }
  if (made.added.empty() && made.taken.empty()) return;
  for (const RoundPlan::Made& other : plan.joins) {
    if (other.added == made.added && other.taken == made.taken) return;
  }
  for (const Candidate& candidate : ground_->outcome.candidates) {
    if (candidate.changes != changes || candidate.fate == PromptFate::kRefused) continue;
    const int number = candidate.number;
    if (number != 1 && number != best_ && !IsAmong(plan.comebacks, number)) {
      plan.comebacks.push_back(number);
    }
    return;
  }
  plan.joins.push_back(std::move(made));
}

}  // namespace troupe
