#include "agents/compare/jury.h"

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

Judgement Mirrored(Judgement verdict) {
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

// Of as many texts or more a ranking that repeats the order in which they were shown is taken for
// none: by chance it comes once in 24 times or less.
constexpr size_t kTextsToTell = 4;

// The place of each text, by its index; none if the opinion is none. `order` says which of the
// texts as they were `shown` comes first, second ...
std::vector<size_t> PlacesOf(const std::vector<size_t>& order, const std::vector<size_t>& shown) {
  if (order.size() != shown.size()) return {};
  if (order.size() >= kTextsToTell && std::is_sorted(order.begin(), order.end())) return {};
  std::vector<size_t> places(shown.size());
  for (size_t place = 0; place < order.size(); ++place) places[shown[order[place]]] = place;
  return places;
}

// An order of the texts that follows from what they say, and not from whose they are; another one
// for each `number`.
std::vector<size_t> OrderOf(const std::vector<std::string>& texts, int number) {
  std::vector<std::pair<std::string, size_t>> keys;
  keys.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string salt = number == 1 ? "" : fmt::format("{} ", number);
    keys.emplace_back(Sha256Hex(salt + texts[i]), i);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<size_t> order;
  order.reserve(keys.size());
  for (const auto& [key, index] : keys) order.push_back(index);
  return order;
}

// What two rankings together say of two texts.
Preference Together(const std::vector<size_t>& one, const std::vector<size_t>& other, size_t left,
                    size_t right) {
  if (one.empty() || other.empty()) return Preference::kNeutral;
  const bool left_in_one = one[left] < one[right];
  if (left_in_one != (other[left] < other[right])) return Preference::kNeutral;
  return left_in_one ? Preference::kLeft : Preference::kRight;
}

}  // namespace

asio::awaitable<std::vector<absl::StatusOr<Judgement>>> Jury::Compare(
    const Scope& scope, std::vector<Contest> contests) {
  // What is asked is settled before anything runs: which of two equal contests ends first, and so
  // which would find the other's verdict, is not the same in every run.
  std::vector<std::string> keys;
  std::map<std::string, size_t> asked;
  std::vector<NamedBranch<Judgement>> branches;
  for (size_t i = 0; i < contests.size(); ++i) {
    keys.push_back(KeyOf(contests[i]));
    if (contests[i].left == contests[i].right || known_.contains(keys[i])) continue;
    if (!asked.emplace(keys[i], branches.size()).second) continue;
    Contest ordered = contests[i];
    if (ordered.right < ordered.left) std::swap(ordered.left, ordered.right);
    branches.push_back(
        {"comparison", fmt::format("contest:{}", i + 1), "",
         [this, ordered](Scope branch) { return Decide(std::move(branch), ordered); }});
  }
  const auto decided = co_await All(scope, std::move(branches), settings_.max_parallel);
  for (const auto& [key, index] : asked) {
    if (decided[index].ok()) known_[key] = *decided[index];
  }
  std::vector<absl::StatusOr<Judgement>> verdicts;
  for (size_t i = 0; i < contests.size(); ++i) {
    if (contests[i].left == contests[i].right) {
      verdicts.emplace_back(Judgement());
    } else if (const auto known = known_.find(keys[i]); known != known_.end()) {
      const bool swapped = contests[i].right < contests[i].left;
      verdicts.emplace_back(swapped ? Mirrored(known->second) : known->second);
    } else {
      verdicts.emplace_back(decided[asked.at(keys[i])].status());
    }
  }
  co_return verdicts;
}

Async<Judgement> Jury::Decide(Scope scope, Contest contest) const {
  Judgement verdict;
  int left = 0;
  int right = 0;
  const int most = settings_.all_votes > 0 ? settings_.all_votes : 2 * settings_.votes;
  for (int number = 1; number <= most; ++number) {
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

Async<Vote> Jury::TakeVote(const Scope& scope, int number, const Contest& contest) const {
  std::vector<NamedBranch<Opinion>> orders;
  for (const bool swapped : {false, true}) {
    const std::string name = fmt::format("vote:{}.{}", number, swapped ? "reversed" : "forward");
    const Opinions* const opinions = opinions_;
    orders.push_back(
        {"vote", name, "", [opinions, contest, swapped](Scope branch) -> Async<Opinion> {
           const std::string& first = swapped ? contest.right : contest.left;
           const std::string& second = swapped ? contest.left : contest.right;
           auto opinion = co_await opinions->Prefer(branch, "judge", contest.matter, first, second);
           branch.End(opinion.status());
           co_return opinion;
         }});
  }
  const auto opinions = co_await All(scope, std::move(orders));
  for (const auto& opinion : opinions) CO_RETURN_IF_ERROR(opinion.status());
  co_return Vote{Together(opinions[0]->liking, opinions[1]->liking), opinions[0]->reason,
                 opinions[1]->reason};
}

Async<Ranking> Jury::Rank(const Scope& scope, Matter matter, std::vector<std::string> texts,
                          int most_calls) {
  Ranking ranking;
  std::vector<std::vector<size_t>> usable;
  std::vector<size_t> shown;
  for (int call = 0; call < most_calls && usable.size() < 2; ++call) {
    const bool reversed = call % 2 != 0;
    const int number = call / 2 + 1;
    if (reversed) {
      std::reverse(shown.begin(), shown.end());
    } else {
      shown = OrderOf(texts, number);
    }
    std::vector<std::string> as_shown;
    as_shown.reserve(shown.size());
    for (const size_t index : shown) as_shown.push_back(texts[index]);
    std::string name = reversed ? "rank.reversed" : "rank.forward";
    if (number > 1) name += fmt::format(".{}", number);
    CO_ASSIGN_OR_RETURN(RankingOpinion opinion,
                        co_await opinions_->Rank(scope, name, matter, std::move(as_shown)));
    (reversed ? ranking.reversed_reason : ranking.reason) = std::move(opinion.reason);
    std::vector<size_t> places = PlacesOf(opinion.order, shown);
    if (!places.empty()) usable.push_back(std::move(places));
  }
  usable.resize(2);
  for (size_t left = 0; left < texts.size(); ++left) {
    for (size_t right = left + 1; right < texts.size(); ++right) {
      ranking.pairs.push_back({left, right, Together(usable[0], usable[1], left, right)});
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
