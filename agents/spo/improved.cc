#include "agents/spo/improved.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "agents/prompts/prompt_library.h"
#include "agents/runtime/task_result.h"
#include "agents/spo/ground.h"
#include "agents/spo/guards.h"
#include "agents/spo/record.h"
#include "agents/spo/tournament.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr double kHeldOutShare = 0.4;
constexpr size_t kShownFailures = 20;

// Where one challenger stands in its race.
struct Tally {
  int wins = 0;
  int losses = 0;
};

enum class RaceState { kRunning, kWon, kLost };

// One vote a stage, each on other questions. Who falls behind is out at once: most new prompts are
// no better, and what they cost is what the search can do less of. `needed` wins are enough.
RaceState StateOf(const Tally& tally, int stage, int needed, int votes) {
  if (tally.losses > tally.wins) return RaceState::kLost;
  if (tally.wins >= needed && tally.wins > tally.losses) return RaceState::kWon;
  if (stage >= votes && tally.wins == tally.losses) return RaceState::kLost;
  return stage > votes ? RaceState::kLost : RaceState::kRunning;
}

std::vector<Item> Shuffled(std::vector<Item> items, uint64_t seed) {
  std::mt19937_64 random(seed);
  // std::shuffle differs between libraries.
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random() % i]);
  return items;
}

// The questions of the search in an order of their own, dealt out a few at a time; when all were
// seen, in another order again.
class Deck {
 public:
  Deck(const std::vector<Item>* items, uint64_t seed) : items_(items), random_(seed) {}

  Items Deal(size_t count) {
    Items dealt;
    while (dealt.size() < std::min(count, items_->size())) {
      if (at_ == order_.size()) Mix();
      const Item* next = &(*items_)[order_[at_++]];
      if (std::find(dealt.begin(), dealt.end(), next) == dealt.end()) dealt.push_back(next);
    }
    return dealt;
  }

 private:
  void Mix() {
    order_.resize(items_->size());
    std::iota(order_.begin(), order_.end(), 0);
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_() % i]);
    at_ = 0;
  }

  const std::vector<Item>* const items_;
  std::mt19937_64 random_;
  std::vector<size_t> order_;
  size_t at_ = 0;
};

class Search {
 public:
  Search(Scope* task, SpoOptions options, SpoRoles roles)
      : ground_(task, Prepare(std::move(options)), roles),
        deck_(&ground_.outcome.questions, task->Random("deck")) {
    Split();
    Items all;
    std::vector<std::string> allowed = {ground_.options.prompt, ground_.options.requirements};
    for (const Item& item : ground_.outcome.questions) all.push_back(&item);
    for (const Item& item : ground_.outcome.held_out) all.push_back(&item);
    const Guards::Limits limits{ground_.options.max_prompt_bytes, ground_.options.prompt_words};
    guards_.emplace(limits, all, allowed);
  }

  Async<SpoOutcome> Run() {
    const absl::Status searched = co_await RunRounds();
    if (!searched.ok() && !IsLimit(searched)) co_return searched;
    absl::Status ended = searched;
    if (ended.ok()) ended = co_await RunTournament(ground_);
    if (!ended.ok() && !IsLimit(ended)) co_return ended;
    SpoOutcome& outcome = ground_.outcome;
    if (!ended.ok()) {
      outcome.ending = SpoEnding::kStopped;
      outcome.stopped = ended;
    }
    CO_RETURN_IF_ERROR(ChooseResult(ground_));
    co_return std::move(outcome);
  }

 private:
  static SpoOptions Prepare(SpoOptions options) {
    if (options.max_prompt_bytes == 0) {
      options.max_prompt_bytes = std::max<size_t>(4000, 4 * options.prompt.size());
    }
    return options;
  }

  // Holds out a share of the questions unless some are given as held out.
  void Split() {
    SpoOutcome& outcome = ground_.outcome;
    std::vector<Item> questions = ground_.options.questions;
    std::vector<Item> held_out = ground_.options.held_out;
    if (held_out.empty()) {
      questions = Shuffled(std::move(questions), ground_.task->Random("split"));
      const auto share =
          static_cast<std::ptrdiff_t>(kHeldOutShare * static_cast<double>(questions.size()));
      held_out.assign(questions.end() - share, questions.end());
      questions.erase(questions.end() - share, questions.end());
    }
    held_out = Shuffled(std::move(held_out), ground_.task->Random("held_out"));
    outcome.questions = Numbered(std::move(questions), "q");
    outcome.held_out = Numbered(std::move(held_out), "h");
  }

  AsyncStatus RunRounds() {
    const Scope& task = *ground_.task;
    SpoOutcome& outcome = ground_.outcome;
    const auto allowed = ground_.roles.allowance->CallsLeft(task);
    reserve_ = allowed.has_value() ? TournamentReserve(ground_, *allowed) : 0;
    AddCandidate(outcome, 0, 1, {ground_.options.prompt, "", ""}).fate = PromptFate::kSeed;
    known_.insert(NormalizedPrompt(ground_.options.prompt));
    shown_ = deck_.Deal(static_cast<size_t>(ground_.options.sample));
    outcome.ending = SpoEnding::kRounds;
    for (int number = 1; number <= ground_.options.rounds; ++number) {
      if (number > 1 && !ground_.Affords(CostOfRound(), reserve_)) {
        outcome.ending = SpoEnding::kBudget;
        break;
      }
      Scope round = task.Open("round", fmt::format("round:{}", number), "");
      const int before = incumbent_;
      absl::Status done;
      if (number == 1) {
        done = co_await AnswerShown(round);
      } else {
        done = co_await Round(round, number);
      }
      round.End(done);
      CO_RETURN_IF_ERROR(done);
      ReportRound(task, outcome, number, incumbent_);
      idle_ = incumbent_ != before || number == 1 ? 0 : idle_ + 1;
      if (idle_ >= ground_.options.patience) {
        outcome.ending = SpoEnding::kNoGain;
        break;
      }
    }
    co_return absl::OkStatus();
  }

  // One proposal, and the first stage of all challengers.
  int64_t CostOfRound() const {
    const int64_t challengers = ground_.options.challengers;
    return ground_.book.Missing({incumbent_}, shown_) + 1 +
           ground_.options.sample * (challengers + 1) + 2;
  }

  AsyncStatus AnswerShown(const Scope& scope) {
    std::map<int, std::string> texts = {{incumbent_, ground_.candidate(incumbent_).text}};
    co_return co_await ground_.book.Fill(scope, std::move(texts), shown_);
  }

  AsyncStatus Round(const Scope& round, int number) {
    CO_RETURN_IF_ERROR(co_await AnswerShown(round));
    CO_ASSIGN_OR_RETURN(const std::vector<int> challengers, co_await Challengers(round, number));
    CO_RETURN_IF_ERROR(co_await Race(round, number, challengers));
    std::vector<int> accepted;
    winners_.clear();
    for (const int challenger : challengers) {
      const Candidate& candidate = ground_.candidate(challenger);
      if (candidate.fate != PromptFate::kAccepted) continue;
      accepted.push_back(challenger);
      winners_.push_back({candidate.modification, "", candidate.text});
    }
    if (winners_.size() < 2) winners_.clear();  // one alone is joined already
    CO_ASSIGN_OR_RETURN(const Standing standing, Standing::Of(ground_));
    accepted.insert(accepted.begin(), incumbent_);
    incumbent_ = standing.Strongest(accepted);
    co_return absl::OkStatus();
  }

  // All challengers are ranked at once at first, which tells how those that win stand among each
  // other too; then those that are left meet the incumbent two by two.
  Async<std::vector<Preference>> Stage(const Scope& scope, int number, int stage,
                                       std::vector<int> challengers, Items items) {
    if (stage == 1 && challengers.size() > 1) {
      challengers.insert(challengers.begin(), incumbent_);
      co_return co_await ground_.FightAll(scope, number, std::move(challengers), std::move(items));
    }
    std::vector<std::pair<int, int>> pairs;
    pairs.reserve(challengers.size());
    for (const int challenger : challengers) pairs.emplace_back(incumbent_, challenger);
    co_return co_await ground_.Fight(scope, number, std::move(pairs), std::move(items));
  }

  int64_t CostOfStage(std::vector<int> challengers, const Items& items, int stage) const {
    const auto judged = stage == 1 ? int64_t{1} : static_cast<int64_t>(challengers.size());
    challengers.push_back(incumbent_);
    return ground_.book.Missing(challengers, items) + 2 * judged;
  }

  // New prompts that passed the guards.
  Async<std::vector<int>> Challengers(const Scope& round, int number) {
    ProposalRequest request;
    request.requirements = ground_.options.requirements;
    request.prompt = ground_.candidate(incumbent_).text;
    request.answers = AnsweredBy(ground_.book, incumbent_, shown_);
    request.prompt_words = ground_.options.prompt_words;
    request.number = ground_.options.challengers;
    request.places = PlacesOf(request.prompt);
    request.failures = failures_;
    request.winners = winners_;
    CO_ASSIGN_OR_RETURN(auto proposals, co_await ground_.roles.optimizer->Propose(
                                            round, "propose", std::move(request)));
    if (proposals.size() > static_cast<size_t>(ground_.options.challengers)) {
      proposals.resize(static_cast<size_t>(ground_.options.challengers));
    }
    std::vector<int> challengers;
    for (Proposal& proposal : proposals) {
      Candidate& candidate = AddCandidate(ground_.outcome, incumbent_, number, std::move(proposal));
      candidate.reason = Refusal(candidate.text);
      if (!candidate.reason.empty()) {
        candidate.fate = PromptFate::kRefused;
        NoteFailure(candidate);
        continue;
      }
      known_.insert(NormalizedPrompt(candidate.text));
      challengers.push_back(candidate.number);
    }
    co_return challengers;
  }

  // The variables that a template of the registered prompt is filled by.
  std::vector<std::string> PlacesOf(const std::string& prompt) const {
    const std::string& registered = ground_.options.registered_prompt;
    if (registered.empty()) return {};
    const auto compiled = ground_.task->prompts()->Compile(registered, prompt);
    if (!compiled.ok()) return {};
    return {compiled->used().begin(), compiled->used().end()};
  }

  std::string Refusal(const std::string& prompt) const {
    std::string refusal = guards_->WhyRefused(prompt, known_);
    const std::string& registered = ground_.options.registered_prompt;
    if (!refusal.empty() || registered.empty()) return refusal;
    const auto compiled = ground_.task->prompts()->Compile(registered, prompt);
    return compiled.ok() ? "" : std::string(MessageOf(compiled.status()));
  }

  AsyncStatus Race(const Scope& round, int number, std::vector<int> running) {
    std::map<int, Tally> tallies;
    // While changes bring something, one vote is enough: most that win are gains. The more rounds
    // bring nothing, the more of those that win by one vote are luck.
    const int needed = std::min(1 + idle_, ground_.options.votes / 2 + 1);
    for (int stage = 1; !running.empty(); ++stage) {
      const Items items = deck_.Deal(static_cast<size_t>(ground_.options.sample));
      if (!ground_.Affords(CostOfStage(running, items, stage), stage == 1 ? 0 : reserve_)) break;
      Scope scope = round.Open("stage", fmt::format("stage:{}", stage), "");
      const auto preferences = co_await Stage(scope, number, stage, running, items);
      scope.End(preferences.status());
      CO_RETURN_IF_ERROR(preferences.status());
      shown_ = items;
      std::vector<int> left;
      for (size_t i = 0; i < running.size(); ++i) {
        Tally& tally = tallies[running[i]];
        tally.wins += (*preferences)[i] == Preference::kRight ? 1 : 0;
        tally.losses += (*preferences)[i] == Preference::kLeft ? 1 : 0;
        const RaceState state = StateOf(tally, stage, needed, ground_.options.votes);
        if (state == RaceState::kRunning) {
          left.push_back(running[i]);
        } else {
          Settle(running[i], tally, stage, state == RaceState::kWon);
        }
      }
      running = std::move(left);
    }
    for (const int challenger : running) Settle(challenger, tallies[challenger], 0, false);
    co_return absl::OkStatus();
  }

  // `stages`: votes that were taken; 0: the budget cut the race short.
  void Settle(int number, const Tally& tally, int stages, bool won) {
    Candidate& candidate = ground_.candidate(number);
    candidate.fate = won ? PromptFate::kAccepted : PromptFate::kRejected;
    std::string reason;
    for (auto duel = ground_.outcome.duels.rbegin(); duel != ground_.outcome.duels.rend(); ++duel) {
      if (duel->right != number) continue;
      reason = ReasonOf(duel->verdict);
      break;
    }
    candidate.reason = fmt::format("{} won, {} lost{}. {}", tally.wins, tally.losses,
                                   stages == 0 ? ", undecided when the budget ended" : "", reason);
    if (!won) NoteFailure(candidate);
  }

  void NoteFailure(const Candidate& candidate) {
    if (candidate.modification.empty() && candidate.text.empty()) return;
    failures_.push_back({candidate.modification, candidate.reason, candidate.text});
    if (failures_.size() > kShownFailures) failures_.erase(failures_.begin());
  }

  Ground ground_;
  Deck deck_;
  std::optional<Guards> guards_;
  std::set<std::string> known_;  // normalized
  std::vector<Attempt> failures_;
  std::vector<Attempt> winners_;
  Items shown_;
  int incumbent_ = 1;
  int idle_ = 0;  // rounds in a row that brought nothing
  int64_t reserve_ = 0;
};

}  // namespace

Async<SpoOutcome> RunImproved(Scope& task, SpoOptions options, SpoRoles roles) {
  Search search(&task, std::move(options), roles);
  co_return co_await search.Run();
}

}  // namespace troupe
