#include "agents/spo/improved.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "agents/prompts/prompt_library.h"
#include "agents/runtime/task_result.h"
#include "agents/spo/belief.h"
#include "agents/spo/deck.h"
#include "agents/spo/ground.h"
#include "agents/spo/guards.h"
#include "agents/spo/record.h"
#include "agents/spo/round_plan.h"
#include "agents/spo/tournament.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr double kHeldOutShare = 0.4;
constexpr size_t kShownFailures = 20;
// The prompt itself and a match that tells something of it.
constexpr int64_t kCallsForLastJoin = 9;

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
    if (ended.ok()) ended = co_await JoinWhatHelps();
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
    AddCandidate(outcome, 0, 1, {ground_.options.prompt, "", ""}).fate = PromptFate::kSeed;
    CO_RETURN_IF_ERROR(Settle());
    known_.insert(NormalizedPrompt(ground_.options.prompt));
    shown_[1] = Deal();
    outcome.ending = SpoEnding::kRounds;
    for (int number = 1; number <= ground_.options.rounds; ++number) {
      if (number == 2) PlanForCalls();
      if (number > 1 && !ground_.Affords(CostOfRound(), reserve_)) {
        outcome.ending = SpoEnding::kBudget;
        break;
      }
      Scope round = task.Open("round", fmt::format("round:{}", number), std::to_string(number));
      const int before = best_;
      absl::Status done;
      if (number == 1) {
        done = co_await AnswerFirst(round);
      } else {
        done = co_await Round(round, number);
      }
      round.End(done);
      CO_RETURN_IF_ERROR(done);
      ReportRound(task, outcome, *belief_, number, best_);
      idle_ = best_ != before || number == 1 ? 0 : idle_ + 1;
      if (idle_ >= ground_.options.patience) {
        outcome.ending = SpoEnding::kNoGain;
        break;
      }
    }
    co_return absl::OkStatus();
  }

  // After the first round, when it is known what a call costs and how many of them a run takes: how
  // wide rounds are, and what is kept for the tournament.
  void PlanForCalls() {
    const auto left = ground_.roles.allowance->CallsLeft(*ground_.task);
    if (!left.has_value()) return;
    const int64_t made = ground_.book.runs() * ground_.book.CallsPerRun();
    ground_.round_size = RoundsFor(ground_.options, *left + made);
    reserve_ = TournamentReserve(ground_, *left + made);
  }

  // Two calls of the optimizer at most, the answers of all, two calls of the judge.
  int64_t CostOfRound() const {
    const RoundSize& size = ground_.round_size;
    const int64_t runs = int64_t{size.sample} * (size.challengers + 2);
    return 2 + runs * ground_.book.CallsPerRun() + 2;
  }

  AsyncStatus AnswerFirst(const Scope& scope) {
    std::map<int, std::string> texts = {{1, ground_.options.prompt}};
    co_return co_await ground_.book.Fill(scope, std::move(texts), shown_.at(1));
  }

  // The first prompt, the best one by all that is known, new ones made from it, and earlier ones
  // that may be better than they seem answer fresh questions and are compared.
  AsyncStatus Round(const Scope& round, int number) {
    if (number == 2) CO_RETURN_IF_ERROR(co_await CollectChanges(round, number));
    std::vector<int> prompts = {1};
    if (best_ != 1) prompts.push_back(best_);
    RoundPlan plan = PlannerNow().ForRound(number);
    prompts.insert(prompts.end(), plan.comebacks.begin(), plan.comebacks.end());
    CO_ASSIGN_OR_RETURN(const std::vector<int> fresh,
                        co_await Write(round, "propose", number, std::move(plan)));
    for (const int challenger : fresh) {
      if (!IsAmong(prompts, challenger)) prompts.push_back(challenger);
    }
    if (prompts.size() < 2) co_return Settle();
    Items items = Deal();
    Items compared = items;
    std::vector<int> contestants = prompts;
    CO_RETURN_IF_ERROR(
        co_await ground_.Compare(round, number, std::move(contestants), std::move(compared)));
    if (number == 2 && OneQuestionTellsLittle(number)) {
      CO_ASSIGN_OR_RETURN(const Items more, co_await CompareOnAnother(round, number, prompts));
      items.insert(items.end(), more.begin(), more.end());
    }
    for (const int prompt : prompts) {
      shown_[prompt] = items;
      ++tried_[prompt];
    }
    co_return Settle();
  }

  Items Deal() { return deck_.Deal(static_cast<size_t>(ground_.round_size.sample)); }

  // Asked of the first ranking, where the search was free to have one question a round.
  bool OneQuestionTellsLittle(int number) const {
    return ground_.options.sample == 0 && ground_.round_size.sample == 1 &&
           TellsThemApartBadly(ground_.outcome.duels, number);
  }

  // The first round that compares goes on with another question, and those to come have two.
  // Without calls for it nothing is asked.
  Async<Items> CompareOnAnother(const Scope& round, int number, std::vector<int> prompts) {
    const Items items = Deal();
    ground_.round_size.sample = UsualRounds(ground_.options).sample;
    if (!ground_.Affords(ground_.CostOf(prompts, items), reserve_)) co_return Items();
    Scope another = round.Open("question", "question:2", "Another question");
    Items compared = items;
    const absl::Status done =
        co_await ground_.Compare(another, number, std::move(prompts), std::move(compared));
    another.End(done);
    CO_RETURN_IF_ERROR(done);
    co_return items;
  }

  // Has the optimizer write what might be changed in the first prompt. None of it is tried alone: a
  // prompt that joins half of the changes tells of all of them.
  AsyncStatus CollectChanges(const Scope& round, int number) {
    RoundPlan plan;
    plan.with_new_change = ChangesWanted(ground_.round_size);
    CO_RETURN_IF_ERROR((co_await Write(round, "changes", number, std::move(plan))).status());
    for (Candidate& candidate : ground_.outcome.candidates) {
      if (candidate.number == 1 || candidate.fate == PromptFate::kRefused) continue;
      candidate.reason = "Its change is tried with others.";
    }
    co_return Settle();
  }

  // Has one more prompt made for the tournament: the best one with all changes that seem to help
  // and without those that seem to harm. After few rounds it is better than any that was tried.
  AsyncStatus JoinWhatHelps() {
    if (!ground_.Affords(kCallsForLastJoin, 0)) co_return absl::OkStatus();
    RoundPlan plan = PlannerNow().ForLastJoin();
    if (plan.joins.empty()) co_return absl::OkStatus();
    Scope join = ground_.task->Open("join", "join", "All changes that seem to help");
    const int round = ground_.outcome.rounds.back().round;
    const auto made = co_await Write(join, "propose", round, std::move(plan));
    join.End(made.status());
    CO_RETURN_IF_ERROR(made.status());
    if (!made->empty()) ground_.last_join = made->front();
    co_return absl::OkStatus();
  }

  Planner PlannerNow() const { return Planner(&ground_, &*belief_, &tried_, best_); }

  bool TriedEnough(int number) const {
    const auto tried = tried_.find(number);
    return tried != tried_.end() && tried->second >= ground_.options.votes;
  }

  std::vector<Attempt> AttemptsOf(const std::vector<int>& changes) const {
    std::vector<Attempt> attempts;
    attempts.reserve(changes.size());
    for (const int change : changes)
      attempts.push_back({ground_.candidate(change).modification, ""});
    return attempts;
  }

  ProposalRequest RequestFor(const Belief& belief, const RoundPlan& plan) const {
    ProposalRequest request;
    request.requirements = ground_.options.requirements;
    request.prompt = ground_.candidate(best_).text;
    request.answers = AnsweredBy(ground_.book, best_, shown_.at(best_));
    request.prompt_words = ground_.options.prompt_words;
    request.prompt_bytes = ground_.options.max_prompt_bytes;
    request.number = plan.with_new_change;
    request.places = PlacesOf(request.prompt);
    request.failures = FailuresOf(belief, plan);
    for (const RoundPlan::Made& made : plan.joins) {
      request.joins.push_back({AttemptsOf(made.added), AttemptsOf(made.taken)});
    }
    return request;
  }

  // Whether a prompt that has the change was compared with others.
  bool WasTried(int change) const {
    return std::any_of(tried_.begin(), tried_.end(), [&](const auto& each) {
      return ground_.candidate(each.first).changes.contains(change);
    });
  }

  static bool Joins(const RoundPlan& plan, int change) {
    return std::any_of(plan.joins.begin(), plan.joins.end(),
                       [&](const RoundPlan::Made& made) { return IsAmong(made.added, change); });
  }

  // The latest changes that, by all that is known, do harm, and what was refused. None that was
  // never tried, of which the fit's rounding may say anything, and none that is ordered in the
  // plan.
  std::vector<Attempt> FailuresOf(const Belief& belief, const RoundPlan& plan) const {
    std::vector<Attempt> failures;
    const auto& candidates = ground_.outcome.candidates;
    for (auto each = candidates.rbegin(); each != candidates.rend(); ++each) {
      if (failures.size() == kShownFailures) break;
      if (each->number == 1 || each->modification.empty()) continue;
      const bool refused = each->fate == PromptFate::kRefused;
      if (!refused && (!each->brings_change() || belief.change(each->number) >= 0 ||
                       !WasTried(each->number) || Joins(plan, each->number))) {
        continue;
      }
      const bool alone = refused || tried_.contains(each->number);
      failures.push_back({each->modification, alone ? each->reason : "It did harm with others."});
    }
    std::reverse(failures.begin(), failures.end());
    return failures;
  }

  // New prompts that passed the guards, and those that the optimizer wrote once more.
  Async<std::vector<int>> Write(const Scope& round, std::string effect, int number,
                                RoundPlan plan) {
    std::vector<int> prompts;
    if (plan.with_new_change + static_cast<int>(plan.joins.size()) <= 0) co_return prompts;
    ProposalRequest request = RequestFor(*belief_, plan);
    CO_ASSIGN_OR_RETURN(auto proposals, co_await ground_.roles.optimizer->Propose(
                                            round, std::move(effect), std::move(request)));
    const size_t most = static_cast<size_t>(plan.with_new_change) + plan.joins.size();
    if (proposals.size() > most) proposals.resize(most);
    for (Proposal& proposal : proposals) {
      const size_t join = proposal.join;
      Candidate& candidate = AddCandidate(ground_.outcome, best_, number, std::move(proposal));
      candidate.changes = ground_.candidate(best_).changes;
      if (join > 0 && join <= plan.joins.size()) {
        candidate.added = plan.joins[join - 1].added;
        candidate.taken = plan.joins[join - 1].taken;
        for (const int change : candidate.taken) candidate.changes.erase(change);
      } else {
        candidate.added = {candidate.number};
      }
      candidate.changes.insert(candidate.added.begin(), candidate.added.end());
      candidate.reason = Refusal(candidate.text);
      if (candidate.reason.empty()) {
        known_.insert(NormalizedPrompt(candidate.text));
        prompts.push_back(candidate.number);
        continue;
      }
      candidate.fate = PromptFate::kRefused;
      const int earlier = EarlierWith(NormalizedPrompt(candidate.text));
      if (earlier > 0 && earlier != best_ && !TriedEnough(earlier)) prompts.push_back(earlier);
    }
    co_return prompts;
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

  // The earlier prompt that says the same; 0: none.
  int EarlierWith(const std::string& normalized) const {
    for (const Candidate& candidate : ground_.outcome.candidates) {
      if (candidate.fate == PromptFate::kRefused) continue;
      if (NormalizedPrompt(candidate.text) == normalized) return candidate.number;
    }
    return 0;
  }

  // What became of the prompts that were tried, by all comparisons so far: who seems stronger than
  // the one it was made from is accepted, which further comparisons may take back. The strongest is
  // the best one.
  absl::Status Settle() {
    ASSIGN_OR_RETURN(belief_, Belief::Of(ground_.outcome, Evidence::kAll));
    const auto worth = [&](int number) {
      return belief_->strength(number) -
             PenaltyOf(ground_.candidate(number).text, ground_.options.prompt);
    };
    best_ = 1;
    for (const auto& [number, times] : tried_) {
      if (worth(number) > worth(best_)) best_ = number;
      Candidate& candidate = ground_.candidate(number);
      if (number == 1) continue;
      const bool better = worth(number) > worth(candidate.parent);
      candidate.fate = better ? PromptFate::kAccepted : PromptFate::kRejected;
      candidate.reason = WhyOf(candidate);
    }
    return absl::OkStatus();
  }

  // How it did against the one it was made from and all others, and the judge's last reason.
  std::string WhyOf(const Candidate& candidate) const {
    int wins = 0;
    int losses = 0;
    int ties = 0;
    std::string reason;
    for (const Duel& duel : ground_.outcome.duels) {
      if (duel.left != candidate.number && duel.right != candidate.number) continue;
      const Preference preference = duel.verdict.preference;
      const bool left = duel.left == candidate.number;
      if (preference == Preference::kNeutral) {
        ++ties;
      } else {
        ++((preference == Preference::kLeft) == left ? wins : losses);
      }
      // That answers were the same tells little where they were others elsewhere.
      if (reason.empty() || !duel.verdict.votes.empty()) reason = ReasonOf(duel, candidate.number);
    }
    return fmt::format("Of comparisons with others {} won, {} lost, {} undecided. {}", wins, losses,
                       ties, reason);
  }

  Ground ground_;
  Deck deck_;
  std::optional<Guards> guards_;
  std::set<std::string> known_;   // normalized
  std::map<int, Items> shown_;    // the last questions that a prompt answered in the search
  std::map<int, int> tried_;      // rounds that it was compared in
  std::optional<Belief> belief_;  // by all comparisons so far
  int best_ = 1;                  // by all comparisons so far
  int idle_ = 0;                  // rounds in a row that brought nothing
  int64_t reserve_ = 0;
};

}  // namespace

Async<SpoOutcome> RunImproved(Scope& task, SpoOptions options, SpoRoles roles) {
  Search search(&task, std::move(options), roles);
  co_return co_await search.Run();
}

}  // namespace troupe
