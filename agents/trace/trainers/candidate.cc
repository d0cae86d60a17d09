#include "agents/trace/trainers/candidate.h"

#include <fmt/format.h>

#include "agents/runtime/text.h"

namespace troupe {
namespace {

constexpr size_t kShownProposals = 5;
constexpr size_t kShownValue = 1500;

// Only what differs from the parent, each under its name.
std::string ProposalText(const TrainingCandidate& parent, const Json& values,
                         const std::string& outcome) {
  std::string text = "<proposal>\n";
  for (const auto& [name, value] : values.items()) {
    if (parent.values.value(name, Json()) == value) continue;
    const std::string shown = value.is_string() ? value.get<std::string>() : DumpJson(value);
    text += fmt::format("{}: {}\n", name, Elide(shown, kShownValue));
  }
  return text + "came to: " + outcome + "\n</proposal>\n";
}

std::string OutcomeOf(const TrainingCandidate& candidate, const TrainingCandidate& parent) {
  if (candidate.validation.empty()) {
    return candidate.note.empty() ? "it was not tried" : candidate.note;
  }
  return fmt::format("{:.3f} on validation, where the values now have {:.3f}",
                     candidate.ValidationScore(), parent.ValidationScore());
}

}  // namespace

std::string ProposedBefore(const TrainingCandidate& parent,
                           const std::vector<TrainingCandidatePtr>& candidates) {
  std::vector<std::string> shown;
  for (const TrainingCandidatePtr& each : candidates) {
    if (each->parent != parent.number || each->origin != TrainingCandidate::Origin::kProposed) {
      continue;
    }
    shown.push_back(ProposalText(parent, each->values, OutcomeOf(*each, parent)));
  }
  for (const Json& values : parent.proposals) {
    shown.push_back(ProposalText(parent, values, "it is tried next"));
  }
  if (shown.empty()) return "";
  std::string text =
      "What was proposed before in the place of the values now, and what it came to. Propose "
      "something else.\n";
  const size_t first = shown.size() > kShownProposals ? shown.size() - kShownProposals : 0;
  for (size_t i = first; i < shown.size(); ++i) text += shown[i];
  text.pop_back();
  return text;
}

double TrainingCandidate::ValidationScore() const {
  double sum = 0;
  for (const auto& [item, score] : validation) sum += score.mean();
  return validation.empty() ? 0 : sum / static_cast<double>(validation.size());
}

int TrainingCandidate::ValidationTries() const {
  int tries = 0;
  for (const auto& [item, score] : validation) tries += score.tries;
  return tries;
}

std::vector<double> TrainingCandidate::ValidationScores() const {
  std::vector<double> scores;
  scores.reserve(validation.size());
  for (const auto& [item, score] : validation) scores.push_back(score.mean());
  return scores;
}

double MeanScore(const std::vector<TriedItem>& tried) {
  double sum = 0;
  for (const TriedItem& each : tried) sum += each.score;
  return tried.empty() ? 0 : sum / static_cast<double>(tried.size());
}

}  // namespace troupe
