#include "agents/spo/spo_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agents/compare/messages.h"
#include "agents/evaluate/statistics.h"
#include "agents/spo/record.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

void FillPrompt(const Candidate& candidate, v1::SpoPrompt& message) {
  message.set_number(candidate.number);
  message.set_parent(candidate.parent);
  message.set_round(candidate.round);
  message.set_text(candidate.text);
  message.set_sha256(Sha256Hex(candidate.text));
  message.set_analysis(candidate.analysis);
  message.set_modification(candidate.modification);
  message.set_fate(static_cast<v1::SpoPrompt::Fate>(candidate.fate));
  message.set_reason(candidate.reason);
}

void FillDuel(const Duel& duel, v1::SpoDuel& message) {
  message.set_round(duel.round);
  message.set_stage(duel.round == 0 ? v1::SpoDuel::STAGE_TOURNAMENT : v1::SpoDuel::STAGE_SEARCH);
  message.set_left(duel.left);
  message.set_right(duel.right);
  message.set_outcome(OutcomeOf(duel.verdict.preference));
  for (const Vote& vote : duel.verdict.votes) FillVote(vote, *message.add_votes());
  for (const std::string& id : duel.questions) message.add_questions(id);
}

void FillRound(const RoundReport& round, v1::SpoRound& message) {
  message.set_round(round.round);
  message.set_incumbent(round.incumbent);
  message.set_written(round.written);
  message.set_accepted(round.accepted);
  message.set_win_rate(round.win_rate);
  message.set_win_rate_low(round.win_rate_low);
  message.set_win_rate_high(round.win_rate_high);
  message.set_model_calls(round.usage.model_calls);
  message.set_cost_microusd(round.usage.cost_microusd);
}

void FillQuestion(const Item& item, v1::SpoQuestion& message) {
  message.set_question(item.question);
  message.set_answer(item.answer);
}

}  // namespace

absl::Status FillSpoResult(const SpoOutcome& outcome, v1::SpoResult& result) {
  result.set_best(outcome.best);
  for (const Candidate& candidate : outcome.candidates) {
    FillPrompt(candidate, *result.add_prompts());
  }
  for (const Duel& duel : outcome.duels) FillDuel(duel, *result.add_duels());
  for (const RoundReport& round : outcome.rounds) FillRound(round, *result.add_rounds());
  for (const Item& item : outcome.questions) FillQuestion(item, *result.add_questions());
  for (const Item& item : outcome.held_out) FillQuestion(item, *result.add_held_out());
  ASSIGN_OR_RETURN(const Belief tournament, Belief::Of(outcome, Evidence::kTournament));
  tournament.FillStrengths(*result.mutable_tournament());
  ASSIGN_OR_RETURN(const Belief all, Belief::Of(outcome, Evidence::kAll));
  all.FillStrengths(*result.mutable_strengths());
  result.set_ending(static_cast<v1::SpoResult::Ending>(outcome.ending));
  result.set_choice(outcome.choice);
  return absl::OkStatus();
}

void AddPromptWin(const SpoOutcome& outcome, const std::string& registered_prompt,
                  v1::TaskResult& result) {
  if (registered_prompt.empty() || outcome.best == 1) return;
  v1::PromptWin win;
  std::set<std::string> items;
  for (const Duel& duel : outcome.duels) {
    const auto [low, high] = std::minmax(duel.left, duel.right);
    if (duel.round != 0 || low != 1 || high != outcome.best) continue;
    const Preference for_best = duel.left == outcome.best ? Preference::kLeft : Preference::kRight;
    items.insert(duel.questions.begin(), duel.questions.end());
    win.set_comparisons(win.comparisons() + 1);
    if (duel.verdict.preference == Preference::kNeutral) {
      win.set_ties(win.ties() + 1);
    } else if (duel.verdict.preference == for_best) {
      win.set_wins(win.wins() + 1);
    } else {
      win.set_losses(win.losses() + 1);
    }
  }
  if (win.wins() <= win.losses()) return;
  win.set_prompt("prompts/" + registered_prompt);
  win.set_items(static_cast<int32_t>(items.size()));
  win.set_winner_sha256(Sha256Hex(outcome.winner().text));
  win.set_loser_sha256(Sha256Hex(outcome.candidates.front().text));
  win.set_p_value(FairCoinP(win.wins(), win.losses()));
  win.set_method(
      "answers to some held-out questions at a time judged by a model in both orders; sign test");
  *result.add_wins() = std::move(win);
}

}  // namespace troupe
