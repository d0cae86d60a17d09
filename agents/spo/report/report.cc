#include "agents/spo/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "agents/report/markdown.h"
#include "agents/spo/report/figure_parts.h"
#include "agents/spo/report/figures.h"
#include "agents/spo/report/published_costs.h"
#include "tools/base/signed_text.h"
#include "tools/base/text_diff.h"

namespace troupe {
namespace {

constexpr size_t kMaxDiffs = 30;
constexpr size_t kMaxRejected = 60;
constexpr DiffLayout kDiffLayout{.context = 2, .max_lines = 80, .max_width = 400};

// "-" where no model has a price: nothing is known then.
std::string SpentText(const v1::SpoResult& result, int64_t microusd) {
  return TotalCost(result) > 0 ? DollarText(microusd) : "-";
}

std::string PercentText(double share) { return fmt::format("{:.0f} %", 100 * share); }

std::string EndingText(v1::SpoResult::Ending ending) {
  switch (ending) {
    case v1::SpoResult::ENDING_ROUNDS:
      return "all rounds were gone through";
    case v1::SpoResult::ENDING_NO_GAIN:
      return "nothing was gained any more";
    case v1::SpoResult::ENDING_BUDGET:
      return "the rest of the budget was kept for the final tournament";
    case v1::SpoResult::ENDING_STOPPED:
      return "a limit was reached before the task was done";
    default:
      return "not known";
  }
}

std::string FateText(v1::SpoPrompt::Fate fate) {
  switch (fate) {
    case v1::SpoPrompt::FATE_SEED:
      return "the first";
    case v1::SpoPrompt::FATE_ACCEPTED:
      return "accepted";
    case v1::SpoPrompt::FATE_REJECTED:
      return "rejected";
    case v1::SpoPrompt::FATE_REFUSED:
      return "not tried";
    default:
      return "not judged";
  }
}

std::string Summary(const v1::SpoResult& result) {
  const v1::SpoPrompt* best = PromptNumber(result, result.best());
  std::string text = "# Report of a prompt optimization\n\n";
  if (best == nullptr) return text + "No prompt was found.\n\n";
  const bool improved = result.preset() != v1::SpoSpec::PRESET_FAITHFUL;
  text += fmt::format("| | |\n|---|---|\n| result | prompt P{} of {}{} |\n", result.best(),
                      result.prompts_size(),
                      best->fate() == v1::SpoPrompt::FATE_SEED ? ", the first one" : "");
  if (!result.choice().empty()) {
    text += fmt::format("| chosen | {} |\n", InlineText(result.choice(), 2'000));
  }
  if (best->fate() != v1::SpoPrompt::FATE_SEED) {
    Record held_out;
    for (const v1::SpoPrompt& prompt : result.prompts()) {
      if (prompt.fate() != v1::SpoPrompt::FATE_SEED) continue;
      held_out = RecordOf(result, result.best(), prompt.number());
    }
    text += fmt::format("| against the first prompt | won {}, lost {}, tied {} comparisons |\n",
                        held_out.wins, held_out.losses, held_out.ties);
  }
  text += fmt::format("| preset | {} |\n| ended | {} |\n", improved ? "improved" : "faithful",
                      EndingText(result.ending()));
  text += fmt::format("| questions | {} searched with, {} held out{} |\n", result.questions_size(),
                      result.held_out_size(), result.drafted() ? ", written by a model" : "");
  text += fmt::format(
      "| cost | {} calls, {} |\n\n", TotalCalls(result),
      TotalCost(result) > 0 ? DollarText(TotalCost(result)) : "no prices are configured");
  return text + "The result:\n\n" + FencedText(best->text(), "text") + "\n";
}

std::string CurveSection(const v1::SpoResult& result) {
  if (result.rounds().empty()) return "";
  std::string text =
      "## Learning curve\n\n![Learning curve](spo-curve.svg)\n\n"
      "| round | incumbent | written | accepted | preferred to the first | 95 % interval | calls | "
      "spent |\n|--:|---|--:|--:|--:|---|--:|--:|\n";
  for (const v1::SpoRound& round : result.rounds()) {
    text += fmt::format("| {} | P{} | {} | {} | {} | {} to {} | {} | {} |\n", round.round(),
                        round.incumbent(), round.written(), round.accepted(),
                        PercentText(round.win_rate()), PercentText(round.win_rate_low()),
                        PercentText(round.win_rate_high()), round.model_calls(),
                        SpentText(result, round.cost_microusd()));
  }
  return text + "\n";
}

std::string DiffSection(const v1::SpoResult& result, const v1::SpoPrompt& prompt) {
  const v1::SpoPrompt* parent = PromptNumber(result, prompt.parent());
  std::string text = fmt::format(
      "### P{}, round {}, {}{}\n\n", prompt.number(), prompt.round(), FateText(prompt.fate()),
      parent == nullptr ? "" : fmt::format(", made from P{}", parent->number()));
  if (!prompt.analysis().empty()) {
    text += fmt::format("Found wanting: {}\n\n", InlineText(prompt.analysis(), 1'000));
  }
  if (!prompt.modification().empty()) {
    text += fmt::format("Changed: {}\n\n", InlineText(prompt.modification(), 1'000));
  }
  if (!prompt.reason().empty()) text += fmt::format("{}\n\n", InlineText(prompt.reason()));
  if (parent == nullptr) return text + FencedText(prompt.text(), "text") + "\n";
  const std::string diff =
      UnifiedDiff(parent->text(), prompt.text(), fmt::format("P{}", parent->number()),
                  fmt::format("P{}", prompt.number()), kDiffLayout);
  return text + FencedText(diff, "diff") + "\n";
}

std::string LineageSection(const v1::SpoResult& result) {
  if (result.prompts().empty()) return "";
  std::string text = "## Lineage\n\n![Lineage of the prompts](spo-lineage.svg)\n\n";
  size_t shown = 0;
  size_t left_out = 0;
  for (const v1::SpoPrompt& prompt : result.prompts()) {
    if (!WasAccepted(prompt) && prompt.number() != result.best()) continue;
    if (shown < kMaxDiffs || prompt.number() == result.best()) {
      text += DiffSection(result, prompt);
      ++shown;
    } else {
      ++left_out;
    }
  }
  if (left_out > 0) text += fmt::format("{} more accepted prompts are left out.\n\n", left_out);
  return text;
}

std::string RejectedSection(const v1::SpoResult& result) {
  std::string rows;
  size_t count = 0;
  for (const v1::SpoPrompt& prompt : result.prompts()) {
    if (WasAccepted(prompt) || ++count > kMaxRejected) continue;
    rows += fmt::format("| P{} | {} | P{} | {} | {} | {} |\n", prompt.number(), prompt.round(),
                        prompt.parent(), FateText(prompt.fate()), InlineText(prompt.modification()),
                        InlineText(prompt.reason()));
  }
  if (count == 0) return "";
  std::string text =
      "## What did not win\n\n| prompt | round | from | | changed | why not |\n"
      "|---|--:|---|---|---|---|\n" +
      rows + "\n";
  if (count > kMaxRejected) text += fmt::format("{} more are left out.\n\n", count - kMaxRejected);
  return text;
}

std::string MatrixSection(const v1::SpoResult& result) {
  const std::vector<int> order = StrongestFirst(result, kMatrixPrompts);
  if (order.size() < 2) return "";
  std::string text =
      "## Who won against whom\n\n![Win matrix](spo-matrix.svg)\n\n"
      "Won–lost (ties) of the row against the column.\n\n| |";
  std::string rule = "|---|";
  for (const int number : order) {
    text += fmt::format(" P{} |", number);
    rule += ":-:|";
  }
  text += "\n" + rule + "\n";
  for (const int row : order) {
    text += fmt::format("| {} |", PromptLabel(result, row));
    for (const int column : order) {
      const Record record = RecordOf(result, row, column);
      if (record.total() == 0) {
        text += " |";
      } else if (record.ties > 0) {
        text += fmt::format(" {}–{} ({}) |", record.wins, record.losses, record.ties);
      } else {
        text += fmt::format(" {}–{} |", record.wins, record.losses);
      }
    }
    text += "\n";
  }
  return text + "\n";
}

std::string StrengthSection(
    std::string_view title, const std::string& note,
    const google::protobuf::RepeatedPtrField<v1::CompareStrength>& strengths) {
  if (strengths.empty()) return "";
  std::string text = fmt::format(
      "## {}\n\n{}| prompt | strength | 95 % interval | won | lost | tied |\n"
      "|---|--:|---|--:|--:|--:|\n",
      title, note);
  for (const v1::CompareStrength& strength : strengths) {
    text += fmt::format("| P{} | {} | {} to {} | {} | {} | {} |\n", InlineText(strength.name()),
                        SignedText(strength.strength(), 2), SignedText(strength.low(), 2),
                        SignedText(strength.high(), 2), strength.wins(), strength.losses(),
                        strength.ties());
  }
  return text + "\n";
}

// What a match of the tournament is over: with few questions held out it is one.
std::string TournamentNote(const v1::SpoResult& result) {
  int least = 0;
  int most = 0;
  for (const v1::SpoDuel& duel : result.duels()) {
    if (duel.stage() != v1::SpoDuel::STAGE_TOURNAMENT) continue;
    least = most == 0 ? duel.questions_size() : std::min(least, duel.questions_size());
    most = std::max(most, duel.questions_size());
  }
  if (most == 0) return "";
  const std::string held_out = fmt::format("{} question{} held out, and ", result.held_out_size(),
                                           result.held_out_size() == 1 ? " is" : "s are");
  if (most == 1) {
    return held_out + "a match is one question: each counts once, and is won by one answer.\n\n";
  }
  return held_out + (least == most
                         ? fmt::format("a match is over {} of them.\n\n", most)
                         : fmt::format("a match is over {} to {} of them.\n\n", least, most));
}

std::string CostSection(const v1::SpoResult& result) {
  std::string text =
      "## Cost\n\n![Cost](spo-cost.svg)\n\n| role | calls | tokens read | tokens written | cost |\n"
      "|---|--:|--:|--:|--:|\n";
  for (const v1::SpoRoleCost& cost : result.costs()) {
    text += fmt::format("| {} | {} | {} | {} | {} |\n", InlineText(cost.role()), cost.model_calls(),
                        cost.input_tokens(), cost.output_tokens(),
                        SpentText(result, cost.cost_microusd()));
  }
  text +=
      "\nThe paper (arXiv 2502.06855) reports, for one of its five closed tasks on average and "
      "with "
      "the models and prices of its time:\n\n| method | cost |";
  const double spent = static_cast<double>(TotalCost(result)) * 1e-6;
  const bool priced = spent > 0;
  text += priced ? " this task cost |\n|---|--:|--:|\n" : "\n|---|--:|\n";
  for (const PublishedCost& published : kPublishedCosts) {
    text += fmt::format("| {} | ${:.2f} |", published.method, published.dollars);
    if (priced) text += fmt::format(" {:.3g} % of it |", 100 * spent / published.dollars);
    text += "\n";
  }
  return text + "\nThese are other models, other data and other prices: an order of magnitude.\n";
}

}  // namespace

std::vector<ReportFile> MakeSpoReport(const v1::SpoResult& result) {
  std::vector<ReportFile> files;
  files.push_back(
      {"report.md", "What the optimization did and came to",
       Summary(result) + CurveSection(result) + LineageSection(result) + RejectedSection(result) +
           MatrixSection(result) +
           StrengthSection("Final tournament", TournamentNote(result), result.tournament()) +
           StrengthSection("Strength by all comparisons", "", result.strengths()) +
           CostSection(result)});
  if (!result.rounds().empty()) {
    files.push_back({"spo-curve.svg", "Learning curve", LearningCurveSvg(result)});
  }
  if (!result.prompts().empty()) {
    files.push_back({"spo-lineage.svg", "Which prompt was made from which", LineageSvg(result)});
  }
  if (StrongestFirst(result, 2).size() == 2) {
    files.push_back({"spo-matrix.svg", "Who won against whom", WinMatrixSvg(result)});
  }
  files.push_back({"spo-cost.svg", "What it cost, by role", CostSvg(result)});
  return files;
}

}  // namespace troupe
