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
    std::swap(vote.left_note, vote.right_note);
  }
  return verdict;
}

Preference Together(Liking left_first, Liking right_first) {
  if (left_first == Liking::kFirst && right_first == Liking::kSecond) return Preference::kLeft;
  if (left_first == Liking::kSecond && right_first == Liking::kFirst) return Preference::kRight;
  return Preference::kNeutral;
}

Preference PreferenceOf(Liking of_left_and_right) {
  if (of_left_and_right == Liking::kNone) return Preference::kNeutral;
  return of_left_and_right == Liking::kFirst ? Preference::kLeft : Preference::kRight;
}

// Of as many texts or more a ranking that repeats the order in which they were shown is taken for
// none: by chance it comes once in 24 times or less.
constexpr size_t kTextsToTell = 4;

// What one ranking says, by index of the text.
struct Placed {
  std::vector<size_t> places;  // texts that are the same have the same one; empty: no opinion
  std::vector<size_t> shown;   // which was shown first, second ..., from 0
  std::vector<std::string> notes;
  std::string failure;  // why there are no places
};

// `shown` says which text was shown first, second ...
Placed PlacedBy(const RankingOpinion& opinion, const std::vector<size_t>& shown) {
  Placed placed;
  placed.shown.resize(shown.size());
  placed.notes.resize(shown.size());
  for (size_t at = 0; at < shown.size(); ++at) {
    placed.shown[shown[at]] = at;
    if (at < opinion.notes.size()) placed.notes[shown[at]] = opinion.notes[at];
  }
  placed.failure = opinion.reason;
  if (opinion.order.size() != shown.size()) return placed;
  const bool as_shown =
      opinion.ties.empty() && std::is_sorted(opinion.order.begin(), opinion.order.end());
  if (as_shown && shown.size() >= kTextsToTell) {
    placed.failure = "The judge repeated the order in which the texts were shown.";
    return placed;
  }
  placed.places.resize(shown.size());
  size_t place = 0;
  for (size_t at = 0; at < opinion.order.size(); ++at) {
    if (!opinion.ties.contains(at)) place = at;
    placed.places[shown[opinion.order[at]]] = place;
  }
  return placed;
}

Liking BetterIn(const Placed& placed, size_t left, size_t right) {
  if (placed.places.empty() || placed.places[left] == placed.places[right]) return Liking::kNone;
  return placed.places[left] < placed.places[right] ? Liking::kFirst : Liking::kSecond;
}

// What two rankings together say of two texts, as if these alone had been shown.
Vote VoteOf(const Placed& one, const Placed& other, size_t left, size_t right) {
  Vote vote;
  const Liking left_first = BetterIn(one, left, right);
  vote.preference =
      left_first == BetterIn(other, left, right) ? PreferenceOf(left_first) : Preference::kNeutral;
  for (const Placed* placed : {&one, &other}) {
    if (placed->shown.empty()) continue;  // there was no such call
    const bool swapped = placed->shown[right] < placed->shown[left];
    const std::string& first = placed->notes[swapped ? right : left];
    const std::string& second = placed->notes[swapped ? left : right];
    std::string& reason = swapped ? vote.right_first_reason : vote.left_first_reason;
    if (reason.empty()) {
      reason = placed->places.empty() ? placed->failure : NotesTogether(first, second);
    }
    if (vote.left_note.empty()) vote.left_note = placed->notes[left];
    if (vote.right_note.empty()) vote.right_note = placed->notes[right];
  }
  return vote;
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

// One call that is to be made: the order in which it shows the texts.
struct RankingCall {
  std::string name;
  std::vector<size_t> shown;
};

// Asks all at the same time; what they say, in order.
Async<std::vector<Placed>> AskFor(const Scope& scope, const Opinions* opinions, Matter matter,
                                  std::vector<std::string> texts, std::vector<RankingCall> calls) {
  std::vector<NamedBranch<RankingOpinion>> branches;
  for (const RankingCall& call : calls) {
    std::vector<std::string> as_shown;
    as_shown.reserve(texts.size());
    for (const size_t index : call.shown) as_shown.push_back(texts[index]);
    branches.push_back({"vote", call.name, fmt::format("{} texts", texts.size()),
                        [opinions, matter, as_shown](Scope branch) -> Async<RankingOpinion> {
                          auto opinion = co_await opinions->Rank(branch, "judge", matter, as_shown);
                          branch.End(opinion.status());
                          co_return opinion;
                        }});
  }
  const auto given = co_await All(scope, std::move(branches));
  std::vector<Placed> placed;
  for (size_t i = 0; i < calls.size(); ++i) {
    CO_RETURN_IF_ERROR(given[i].status());
    placed.push_back(PlacedBy(*given[i], calls[i].shown));
  }
  co_return placed;
}

// Two rankings of different texts; fewer that can be used if `most_calls` do not bring them.
Async<std::vector<Placed>> RankTwice(const Scope& scope, const Opinions* opinions, Matter matter,
                                     std::vector<std::string> texts, int most_calls) {
  std::vector<Placed> usable;
  std::vector<Placed> others;
  for (int made = 0; made < most_calls && usable.size() < 2;) {
    std::vector<RankingCall> calls;
    for (size_t i = usable.size(); i < 2 && made < most_calls; ++i, ++made) {
      const int number = made / 2 + 1;
      const bool reversed = made % 2 != 0;
      RankingCall call{reversed ? "rank.reversed" : "rank.forward", OrderOf(texts, number)};
      if (number > 1) call.name += fmt::format(".{}", number);
      if (reversed) std::reverse(call.shown.begin(), call.shown.end());
      calls.push_back(std::move(call));
    }
    CO_ASSIGN_OR_RETURN(std::vector<Placed> answers,
                        co_await AskFor(scope, opinions, matter, texts, std::move(calls)));
    for (Placed& placed : answers) {
      (placed.places.empty() ? others : usable).push_back(std::move(placed));
    }
  }
  while (usable.size() < 2 && !others.empty()) {
    usable.push_back(std::move(others.back()));
    others.pop_back();
  }
  usable.resize(2);
  co_return usable;
}

}  // namespace

std::string NotesTogether(std::string_view first, std::string_view second) {
  if (first.empty() && second.empty()) return "";
  return fmt::format("A: {}\nB: {}", first, second);
}

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
        {"comparison", fmt::format("contest:{}", i + 1), std::to_string(i + 1),
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
    orders.push_back({"vote", name, swapped ? "reversed" : "forward",
                      [opinions, contest, swapped](Scope branch) -> Async<Opinion> {
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
  Vote vote;
  vote.preference = Together(opinions[0]->liking, opinions[1]->liking);
  vote.left_first_reason = opinions[0]->reason;
  vote.right_first_reason = opinions[1]->reason;
  vote.left_note =
      opinions[0]->first_note.empty() ? opinions[1]->second_note : opinions[0]->first_note;
  vote.right_note =
      opinions[0]->second_note.empty() ? opinions[1]->first_note : opinions[0]->second_note;
  co_return vote;
}

Async<Ranking> Jury::Rank(const Scope& scope, Matter matter, std::vector<std::string> texts,
                          int most_calls) {
  // Each text once.
  std::map<std::string, size_t> places;
  std::vector<std::string> different;
  std::vector<size_t> meant;  // by each of `texts` among the different ones
  meant.reserve(texts.size());
  for (const std::string& text : texts) {
    const auto [known, is_new] = places.emplace(text, different.size());
    if (is_new) different.push_back(text);
    meant.push_back(known->second);
  }
  std::vector<Placed> placed;
  if (different.size() > 1) {
    CO_ASSIGN_OR_RETURN(placed, co_await RankTwice(scope, opinions_, std::move(matter),
                                                   std::move(different), most_calls));
  }
  Ranking ranking;
  for (size_t left = 0; left < texts.size(); ++left) {
    for (size_t right = left + 1; right < texts.size(); ++right) {
      Judgement verdict;
      if (meant[left] != meant[right]) {
        verdict.votes.push_back(VoteOf(placed[0], placed[1], meant[left], meant[right]));
        verdict.preference = verdict.votes.front().preference;
      }
      ranking.pairs.push_back({left, right, std::move(verdict)});
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
