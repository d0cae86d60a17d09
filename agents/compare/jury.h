// Jury: texts compared by opinions that are asked in both orders, so that what stands first gains
// nothing by it. Who judges never learns which text is the older one, or whose it is.
//
//   Jury jury(&opinions, {.votes = 3});
//   auto verdicts = co_await jury.Compare(scope, std::move(contests));
//
// A verdict is remembered by content: a contest that comes again, in either order, costs no call.
// Thread-confined to the task's strand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agents/compare/bradley_terry.h"
#include "agents/compare/opinions.h"

namespace troupe {

enum class Preference { kNeutral, kLeft, kRight };

// Two texts to compare.
struct Contest {
  Matter matter;
  std::string left;
  std::string right;
};

// Both orders together: neutral if they disagree.
struct Vote {
  Preference preference = Preference::kNeutral;
  // A reason calls the text that was shown first A and the other one B.
  std::string left_first_reason;
  std::string right_first_reason;
  // What is good and bad of each, in words that name neither; empty: nothing was said.
  std::string left_note;
  std::string right_note;
};

struct Judgement {
  Preference preference = Preference::kNeutral;
  std::vector<Vote> votes;  // none: the texts are the same, and nobody was asked
};

// Texts ranked at once, by two calls that saw them in different orders.
struct Ranking {
  // Of every two texts, by index, the lower one on the left.
  struct Pair {
    size_t left = 0;
    size_t right = 0;
    Judgement verdict;
  };
  std::vector<Pair> pairs;
};

struct JurySettings {
  // Effective votes at most, odd: a comparison ends when one side has more than half of them.
  int votes = 3;
  // Votes in all, as neutral ones are not effective; 0: twice as many.
  int all_votes = 0;
  size_t max_parallel = 16;
};

class Jury {
 public:
  static constexpr int kRankingCalls = 6;

  // `opinions` outlives the jury.
  Jury(const Opinions* opinions, JurySettings settings)
      : opinions_(opinions), settings_(settings) {}

  // Judges the contests side by side, in spans "contest:1" ... of `scope`; results in order.
  asio::awaitable<std::vector<absl::StatusOr<Judgement>>> Compare(const Scope& scope,
                                                                  std::vector<Contest> contests);

  // Ranks the texts (2 to 16) by two calls at the same time, in spans "rank.forward" and
  // "rank.reversed" of `scope`: one with the texts in an order that follows from what they say, one
  // in the reverse of it. A call whose ranking cannot be used, or that repeats the order in which
  // four or more texts were shown (a judge that did not look), is made up for in another order
  // ("rank.forward.2" ...), `most_calls` in all; without two that can be used all is neutral. The
  // same text several times is shown once; if all are the same no call is made.
  Async<Ranking> Rank(const Scope& scope, Matter matter, std::vector<std::string> texts,
                      int most_calls = kRankingCalls);

 private:
  Async<Judgement> Decide(Scope scope, Contest contest) const;
  Async<Vote> TakeVote(const Scope& scope, int number, const Contest& contest) const;

  const Opinions* const opinions_;
  const JurySettings settings_;
  std::map<std::string, Judgement> known_;
};

// The result of comparing `left` with `right`, for FitBradleyTerry.
PairResult ResultOf(size_t left, size_t right, Preference preference);

}  // namespace troupe
