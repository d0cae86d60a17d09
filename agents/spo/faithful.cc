#include "agents/spo/faithful.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/branches.h"
#include "agents/runtime/task_result.h"
#include "agents/spo/answers.h"
#include "agents/spo/record.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

class Climb {
 public:
  Climb(Scope* task, SpoOptions options, SpoRoles roles)
      : task_(task), options_(std::move(options)), roles_(roles), book_(roles.executor) {
    outcome_.questions = Numbered(std::move(options_.questions), "q");
    const size_t count = std::min(outcome_.questions.size(), static_cast<size_t>(options_.sample));
    for (size_t i = 0; i < count; ++i) items_.push_back(&outcome_.questions[i]);
  }

  Async<SpoOutcome> Run() {
    outcome_.ending = SpoEnding::kRounds;
    for (int number = 1; number <= options_.rounds; ++number) {
      Scope round = task_->Open("round", fmt::format("round:{}", number), std::to_string(number));
      absl::Status done;
      if (number == 1) {
        done = co_await Begin(round);
      } else {
        done = co_await Challenge(round, number);
      }
      round.End(done);
      if (IsLimit(done)) {
        outcome_.ending = SpoEnding::kStopped;
        outcome_.stopped = done;
        break;
      }
      CO_RETURN_IF_ERROR(done);
      CO_ASSIGN_OR_RETURN(const Belief belief, Belief::Of(outcome_, Evidence::kAll));
      ReportRound(*task_, outcome_, belief, number, outcome_.best);
    }
    outcome_.choice = outcome_.best == 1 ? "No prompt won against the first one."
                                         : "The latest prompt that won against the one before it.";
    co_return std::move(outcome_);
  }

 private:
  AsyncStatus Begin(const Scope& round) {
    AddCandidate(outcome_, 0, 1, {options_.prompt, "", ""}).fate = PromptFate::kSeed;
    std::map<int, std::string> texts = {{1, options_.prompt}};
    co_return co_await book_.Fill(round, std::move(texts), items_);
  }

  AsyncStatus Challenge(const Scope& round, int number) {
    ProposalRequest request;
    request.requirements = options_.requirements;
    request.prompt = outcome_.winner().text;
    request.answers = AnsweredBy(book_, outcome_.best, items_);
    request.prompt_words = options_.prompt_words;
    CO_ASSIGN_OR_RETURN(auto proposals,
                        co_await roles_.optimizer->Propose(round, "propose", std::move(request)));
    if (proposals.empty()) proposals.emplace_back();
    Candidate& challenger =
        AddCandidate(outcome_, outcome_.best, number, std::move(proposals.front()));
    // The published code runs an empty prompt.
    if (challenger.text.empty()) {
      challenger.fate = PromptFate::kRefused;
      challenger.reason = "It is empty.";
      co_return absl::OkStatus();
    }
    std::map<int, std::string> texts = {{challenger.number, challenger.text}};
    CO_RETURN_IF_ERROR(co_await book_.Fill(round, std::move(texts), items_));
    co_return co_await Vote(round, challenger);
  }

  AsyncStatus Vote(const Scope& round, Candidate& challenger) {
    const Matter matter = MatterOf(options_.requirements, items_);
    const std::string incumbent = SheetOf(book_, outcome_.best, items_);
    const std::string answers = SheetOf(book_, challenger.number, items_);
    std::vector<NamedBranch<Opinion>> branches;
    std::vector<bool> swapped;
    for (int vote = 1; vote <= options_.votes; ++vote) {
      const bool swap = (round.Random(fmt::format("coin:{}", vote)) & 1) != 0;
      swapped.push_back(swap);
      const Opinions* const evaluator = roles_.evaluator;
      branches.push_back(
          {"vote", fmt::format("vote:{}", vote), swap ? "the new one first" : "the new one second",
           [evaluator, matter, incumbent, answers, swap](Scope scope) -> Async<Opinion> {
             auto opinion = co_await evaluator->Prefer(
                 scope, "judge", matter, swap ? answers : incumbent, swap ? incumbent : answers);
             scope.End(opinion.status());
             co_return opinion;
           }});
    }
    const auto opinions = co_await All(round, std::move(branches));
    Duel duel{challenger.round, outcome_.best, challenger.number, {}, IdsOf(items_)};
    int wins = 0;
    for (size_t i = 0; i < opinions.size(); ++i) {
      CO_RETURN_IF_ERROR(opinions[i].status());
      const Liking for_challenger = swapped[i] ? Liking::kFirst : Liking::kSecond;
      // A reply without a choice is none for the challenger, as published.
      const bool won = opinions[i]->liking == for_challenger;
      wins += won ? 1 : 0;
      troupe::Vote vote;
      vote.preference = won ? Preference::kRight : Preference::kLeft;
      (swapped[i] ? vote.right_first_reason : vote.left_first_reason) = opinions[i]->reason;
      duel.verdict.votes.push_back(std::move(vote));
    }
    const int losses = static_cast<int>(opinions.size()) - wins;
    if (wins != losses) {
      duel.verdict.preference = wins > losses ? Preference::kRight : Preference::kLeft;
    }
    challenger.fate = wins > losses ? PromptFate::kAccepted : PromptFate::kRejected;
    challenger.reason =
        fmt::format("{} of {} votes. {}", wins, opinions.size(), ReasonOf(duel, challenger.number));
    if (wins > losses) outcome_.best = challenger.number;
    outcome_.duels.push_back(std::move(duel));
    co_return absl::OkStatus();
  }

  Scope* const task_;
  SpoOptions options_;
  const SpoRoles roles_;
  AnswerBook book_;
  SpoOutcome outcome_;
  Items items_;
};

}  // namespace

Async<SpoOutcome> RunFaithful(Scope& task, SpoOptions options, SpoRoles roles) {
  Climb climb(&task, std::move(options), roles);
  co_return co_await climb.Run();
}

}  // namespace troupe
