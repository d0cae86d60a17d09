#include "agents/trace/trainers/candidate.h"

namespace troupe {

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
