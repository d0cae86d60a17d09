#include "agents/cellagent/trial_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/compare/jury.h"
#include "agents/compare/model_opinions.h"
#include "agents/prompts/render.h"
#include "agents/runtime/text.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Scores that differ by less are the same: sums of the same parts in another order.
constexpr double kSameScore = 1e-9;
constexpr size_t kMaxShown = 12'000;  // of a trial's output
constexpr size_t kMaxNote = 300;
// One effective vote: more would cost as much as another trial.
constexpr JurySettings kOneVote{.votes = 1};

using Trials = std::vector<const Trial*>;

const Trial* BestScored(const Trials& trials) {
  const Trial* best = nullptr;
  for (const Trial* trial : trials) {
    if (best == nullptr || trial->score > best->score) best = trial;
  }
  return best;
}

// Those between which the judge is to decide; fewer than two: scores do.
Trials Undecided(const Trials& ran, TrialChoice choice) {
  const bool measured =
      std::any_of(ran.begin(), ran.end(), [](const Trial* trial) { return trial->metric >= 0; });
  if (measured || choice == TrialChoice::kScore) return {};
  if (choice == TrialChoice::kComparison) return ran;
  const double best = BestScored(ran)->score;
  Trials tied;
  for (const Trial* trial : ran) {
    if (trial->score > best - kSameScore) tied.push_back(trial);
  }
  return tied;
}

std::string ShownText(const Trial& trial) {
  std::string printed;
  for (const ToolContent& part : trial.content) {
    if (const auto* text = std::get_if<ToolText>(&part)) printed += text->text;
  }
  return fmt::format("Code:\n{}\n\nIt printed:\n{}", trial.code, Elide(printed, kMaxShown));
}

absl::StatusOr<Matter> MatterOf(const Scope& scope, const Situation& situation,
                                const PlannedStep& step, bool scored) {
  const StepKind* kind = situation.toolbox->FindStep(step.kind);
  const Json values = {{"requirements", situation.options.requirements},
                       {"hints", kind == nullptr ? "" : kind->hints},
                       {"scored", scored}};
  ASSIGN_OR_RETURN(RenderedPrompt requirements,
                   RenderPrompt(scope, "cellagent.trial_comparison", values));
  Matter matter;
  matter.question = fmt::format("{}\n\nThe step: {}: {}", situation.options.request, step.title,
                                step.description);
  matter.requirements = std::move(requirements.text);
  return matter;
}

// Every two of them, judged: all at once if there are more than two.
Async<std::vector<Ranking::Pair>> Judge(const Scope& scope, Matter matter, Trials trials) {
  const ModelOpinions opinions({});
  Jury jury(&opinions, kOneVote);
  std::vector<std::string> texts;
  texts.reserve(trials.size());
  for (const Trial* trial : trials) texts.push_back(ShownText(*trial));
  if (trials.size() > 2) {
    CO_ASSIGN_OR_RETURN(Ranking ranking,
                        co_await jury.Rank(scope, std::move(matter), std::move(texts)));
    co_return std::move(ranking.pairs);
  }
  std::vector<Contest> contests = {{std::move(matter), texts[0], texts[1]}};
  auto verdicts = co_await jury.Compare(scope, std::move(contests));
  CO_RETURN_IF_ERROR(verdicts[0].status());
  co_return std::vector<Ranking::Pair>{{0, 1, *std::move(verdicts[0])}};
}

// The strongest by the comparisons; of several the one with the best score, then the first.
size_t Strongest(const Trials& trials, const BradleyTerryFit& fit) {
  size_t best = 0;
  for (size_t i = 1; i < trials.size(); ++i) {
    const double ahead = fit.difference(i, best);
    const bool even = std::abs(ahead) < kSameScore;
    if (even ? trials[i]->score > trials[best]->score + kSameScore : ahead > 0) best = i;
  }
  return best;
}

// What the judge said of it.
std::string NoteOn(const std::vector<Ranking::Pair>& pairs, size_t index) {
  for (const Ranking::Pair& pair : pairs) {
    for (const Vote& vote : pair.verdict.votes) {
      const std::string& note = pair.left == index ? vote.left_note : vote.right_note;
      if ((pair.left == index || pair.right == index) && !note.empty()) {
        return " " + TruncateUtf8(note, kMaxNote);
      }
    }
  }
  return "";
}

}  // namespace

Async<ChosenTrial> ChooseTrial(const Scope& scope, const Situation& situation,
                               const PlannedStep& step, const std::vector<Trial>& trials) {
  Trials ran;
  for (const Trial& trial : trials) {
    if (trial.ran) ran.push_back(&trial);
  }
  const Trial* const best = BestScored(ran);
  if (best == nullptr) co_return ChosenTrial();
  const TrialChoice choice = situation.options.trial_choice;
  Trials undecided = Undecided(ran, choice);
  if (undecided.size() < 2) {
    co_return ChosenTrial{best, fmt::format("The best score of {} trials.", trials.size())};
  }
  Scope choosing = scope.Open("choice", "choice", fmt::format("{} trials", undecided.size()));
  const bool scored = choice == TrialChoice::kTies;
  CO_ASSIGN_OR_RETURN(Matter matter, MatterOf(choosing, situation, step, scored));
  const auto pairs = co_await Judge(choosing, std::move(matter), undecided);
  choosing.End(pairs.status());
  CO_RETURN_IF_ERROR(pairs.status());
  std::vector<PairResult> results;
  results.reserve(pairs->size());
  for (const Ranking::Pair& pair : *pairs) {
    results.push_back(ResultOf(pair.left, pair.right, pair.verdict.preference));
  }
  CO_ASSIGN_OR_RETURN(const BradleyTerryFit fit, FitBradleyTerry(undecided.size(), results));
  const size_t chosen = Strongest(undecided, fit);
  co_return ChosenTrial{
      undecided[chosen],
      fmt::format("{}{} of {} trials by comparing them in both orders.{}",
                  scored ? "Of equal scores, the " : "The ",
                  std::abs(fit.difference(chosen, chosen == 0 ? 1 : 0)) < kSameScore
                      ? "first, as none was better,"
                      : "best",
                  undecided.size(), NoteOn(*pairs, chosen))};
}

}  // namespace troupe
