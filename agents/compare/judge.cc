#include "agents/compare/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/branches.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// The same for a contest and its mirror image.
std::string KeyOf(const Contest& contest) {
  const auto& [low, high] = std::minmax(contest.left, contest.right);
  std::string key;
  for (const std::string* part : {&contest.matter.question, &contest.matter.requirements,
                                  &contest.matter.reference, &low, &high}) {
    key += Sha256Hex(*part);
  }
  return key;
}

Preference Mirrored(Preference preference) {
  if (preference == Preference::kNeutral) return preference;
  return preference == Preference::kLeft ? Preference::kRight : Preference::kLeft;
}

Verdict Mirrored(Verdict verdict) {
  verdict.preference = Mirrored(verdict.preference);
  for (Vote& vote : verdict.votes) {
    vote.preference = Mirrored(vote.preference);
    std::swap(vote.left_first_reason, vote.right_first_reason);
  }
  return verdict;
}

Preference Together(Liking left_first, Liking right_first) {
  if (left_first == Liking::kFirst && right_first == Liking::kSecond) return Preference::kLeft;
  if (left_first == Liking::kSecond && right_first == Liking::kFirst) return Preference::kRight;
  return Preference::kNeutral;
}

}  // namespace

asio::awaitable<std::vector<absl::StatusOr<Verdict>>> Judge::Compare(
    const Scope& scope, std::vector<Contest> contests) {
  // What is asked is settled before anything runs: which of two equal contests ends first, and so
  // which would find the other's verdict, is not the same in every run.
  std::vector<std::string> keys;
  std::map<std::string, size_t> asked;
  std::vector<NamedBranch<Verdict>> branches;
  for (size_t i = 0; i < contests.size(); ++i) {
    keys.push_back(KeyOf(contests[i]));
    if (contests[i].left == contests[i].right || known_.contains(keys[i])) continue;
    if (!asked.emplace(keys[i], branches.size()).second) continue;
    Contest ordered = contests[i];
    if (ordered.right < ordered.left) std::swap(ordered.left, ordered.right);
    branches.push_back(
        {"comparison", fmt::format("contest:{}", i + 1), "", [this, ordered](Scope branch) {
           return Decide(std::move(branch), ordered);
         }});
  }
  const auto decided = co_await All(scope, std::move(branches), settings_.max_parallel);
  for (const auto& [key, index] : asked) {
    if (decided[index].ok()) known_[key] = *decided[index];
  }
  std::vector<absl::StatusOr<Verdict>> verdicts;
  for (size_t i = 0; i < contests.size(); ++i) {
    if (contests[i].left == contests[i].right) {
      verdicts.emplace_back(Verdict());
    } else if (const auto known = known_.find(keys[i]); known != known_.end()) {
      const bool swapped = contests[i].right < contests[i].left;
      verdicts.emplace_back(swapped ? Mirrored(known->second) : known->second);
    } else {
      verdicts.emplace_back(decided[asked.at(keys[i])].status());
    }
  }
  co_return verdicts;
}

Async<Verdict> Judge::Decide(Scope scope, Contest contest) const {
  Verdict verdict;
  int left = 0;
  int right = 0;
  for (int number = 1; number <= 2 * settings_.votes; ++number) {
    if (2 * std::max(left, right) > settings_.votes || left + right >= settings_.votes) break;
    auto vote = co_await TakeVote(scope, number, contest);
    if (!vote.ok()) {
      scope.End(vote.status());
      co_return vote.status();
    }
    left += vote->preference == Preference::kLeft ? 1 : 0;
    right += vote->preference == Preference::kRight ? 1 : 0;
    verdict.votes.push_back(*std::move(vote));
  }
  if (left > right) verdict.preference = Preference::kLeft;
  if (right > left) verdict.preference = Preference::kRight;
  scope.Note("votes", {{"left", left}, {"right", right}, {"all", verdict.votes.size()}});
  scope.End();
  co_return verdict;
}

Async<Vote> Judge::TakeVote(const Scope& scope, int number, const Contest& contest) const {
  std::vector<NamedBranch<Opinion>> orders;
  for (const bool swapped : {false, true}) {
    const std::string name = fmt::format("vote:{}.{}", number, swapped ? "reversed" : "forward");
    const Opinions* const opinions = opinions_;
    orders.push_back({"vote", name, "", [opinions, contest, swapped](Scope branch) -> Async<Opinion> {
                        const std::string& first = swapped ? contest.right : contest.left;
                        const std::string& second = swapped ? contest.left : contest.right;
                        auto opinion = co_await opinions->Prefer(branch, "judge", contest.matter,
                                                                 first, second);
                        branch.End(opinion.status());
                        co_return opinion;
                      }});
  }
  const auto opinions = co_await All(scope, std::move(orders));
  for (const auto& opinion : opinions) CO_RETURN_IF_ERROR(opinion.status());
  co_return Vote{Together(opinions[0]->liking, opinions[1]->liking), opinions[0]->reason,
                 opinions[1]->reason};
}

Async<Ranking> Judge::Rank(const Scope& scope, Matter matter, std::vector<std::string> texts) {
  const size_t count = texts.size();
  std::vector<std::string> reversed(texts.rbegin(), texts.rend());
  CO_ASSIGN_OR_RETURN(const RankingOpinion forward,
                      co_await opinions_->Rank(scope, "rank.forward", matter, std::move(texts)));
  CO_ASSIGN_OR_RETURN(RankingOpinion backward, co_await opinions_->Rank(scope, "rank.reversed", matter,
                                                                        std::move(reversed)));
  for (size_t& index : backward.order) index = count - 1 - index;
  const auto likes_left = [](const RankingOpinion& opinion, size_t left, size_t right) {
    const auto& order = opinion.order;
    if (order.empty()) return Liking::kNone;
    return std::find(order.begin(), order.end(), left) < std::find(order.begin(), order.end(), right)
               ? Liking::kFirst
               : Liking::kSecond;
  };
  Ranking ranking{{}, forward.reason, backward.reason};
  for (size_t left = 0; left < count; ++left) {
    for (size_t right = left + 1; right < count; ++right) {
      const Liking one = likes_left(forward, left, right);
      const Liking other = likes_left(backward, left, right);
      Preference preference = Preference::kNeutral;
      if (one == other && one != Liking::kNone) {
        preference = one == Liking::kFirst ? Preference::kLeft : Preference::kRight;
      }
      ranking.pairs.push_back({left, right, preference});
    }
  }
  co_return ranking;
}

PairResult ResultOf(size_t left, size_t right, Preference preference) {
  PairResult result{left, right, 0, 0, 0};
  if (preference == Preference::kLeft) result.left_wins = 1;
  if (preference == Preference::kRight) result.right_wins = 1;
  if (preference == Preference::kNeutral) result.ties = 1;
  return result;
}

}  // namespace troupe
