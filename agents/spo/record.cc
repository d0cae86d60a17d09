#include "agents/spo/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/text.h"

namespace troupe {
namespace {

constexpr size_t kReasonBytes = 300;

}  // namespace

std::vector<Item> Numbered(std::vector<Item> items, std::string_view prefix) {
  for (size_t i = 0; i < items.size(); ++i) items[i].id = fmt::format("{}{}", prefix, i + 1);
  return items;
}

std::vector<std::string> IdsOf(const std::vector<const Item*>& items) {
  std::vector<std::string> ids;
  ids.reserve(items.size());
  for (const Item* item : items) ids.push_back(item->id);
  return ids;
}

Candidate& AddCandidate(SpoOutcome& outcome, int parent, int round, Proposal proposal) {
  Candidate candidate;
  candidate.number = static_cast<int>(outcome.candidates.size()) + 1;
  candidate.parent = parent;
  candidate.round = round;
  candidate.text = std::move(proposal.prompt);
  candidate.analysis = std::move(proposal.analysis);
  candidate.modification = std::move(proposal.modification);
  outcome.candidates.push_back(std::move(candidate));
  return outcome.candidates.back();
}

std::string ReasonOf(const Duel& duel, int number) {
  const std::vector<Vote>& votes = duel.verdict.votes;
  if (votes.empty()) return "Its answers were the same as the other's.";
  for (auto vote = votes.rbegin(); vote != votes.rend(); ++vote) {
    const std::string& note = duel.left == number ? vote->left_note : vote->right_note;
    if (!note.empty()) return TruncateUtf8(note, kReasonBytes);
    const bool left_first = !vote->left_first_reason.empty();
    const std::string& reason = left_first ? vote->left_first_reason : vote->right_first_reason;
    if (reason.empty()) continue;
    return fmt::format("(A: prompt {}, B: prompt {}) {}", left_first ? duel.left : duel.right,
                       left_first ? duel.right : duel.left, TruncateUtf8(reason, kReasonBytes));
  }
  return "The judge gave no reason.";
}

void ReportRound(const Scope& task, SpoOutcome& outcome, const Belief& belief, int round,
                 int incumbent) {
  RoundReport report;
  report.round = round;
  report.incumbent = incumbent;
  report.usage = task.usage();
  for (const Candidate& candidate : outcome.candidates) {
    if (candidate.round != round || candidate.fate == PromptFate::kSeed) continue;
    ++report.written;
    report.accepted += candidate.fate == PromptFate::kAccepted ? 1 : 0;
  }
  if (incumbent != 1) {
    const double ahead = belief.strength(incumbent);
    const double deviation = belief.deviation(incumbent, 1);
    report.win_rate = WinProbability(ahead);
    report.win_rate_low = WinProbability(ahead - kZ95 * deviation);
    report.win_rate_high = WinProbability(ahead + kZ95 * deviation);
  }
  std::string line =
      fmt::format("Round {}: {} new, {} accepted; ", round, report.written, report.accepted);
  line += incumbent == 1
              ? "the first prompt is the best"
              : fmt::format(
                    "the best is prompt {}, which wins {:.0f} % against the first ({:.0f} to "
                    "{:.0f} %)",
                    incumbent, 100 * report.win_rate, 100 * report.win_rate_low,
                    100 * report.win_rate_high);
  line += "; " + CountText(report.usage.model_calls, "call");
  if (report.usage.cost_microusd > 0) {
    line += fmt::format(", ${:.4f}", static_cast<double>(report.usage.cost_microusd) / 1e6);
  }
  task.Progress(std::move(line));
  outcome.rounds.push_back(std::move(report));
}

}  // namespace troupe
