#include "agents/spo/report/figure_parts.h"

#include <fmt/format.h>

#include "agents/spo/report/figures.h"

namespace troupe {

const v1::SpoPrompt* PromptNumber(const v1::SpoResult& result, int number) {
  if (number < 1 || number > result.prompts_size()) return nullptr;
  return &result.prompts(number - 1);
}

std::string PromptLabel(const v1::SpoResult& result, int number) {
  std::string label = fmt::format("P{}", number);
  const v1::SpoPrompt* prompt = PromptNumber(result, number);
  if (prompt != nullptr && prompt->fate() == v1::SpoPrompt::FATE_SEED) label += " first";
  if (number == result.best()) label += " best";
  return label;
}

bool WasAccepted(const v1::SpoPrompt& prompt) {
  return prompt.fate() == v1::SpoPrompt::FATE_SEED || prompt.fate() == v1::SpoPrompt::FATE_ACCEPTED;
}

int64_t TotalCost(const v1::SpoResult& result) {
  int64_t total = 0;
  for (const v1::SpoRoleCost& cost : result.costs()) total += cost.cost_microusd();
  return total;
}

int64_t TotalCalls(const v1::SpoResult& result) {
  int64_t total = 0;
  for (const v1::SpoRoleCost& cost : result.costs()) total += cost.model_calls();
  return total;
}

Record RecordOf(const v1::SpoResult& result, int prompt, int other) {
  Record record;
  for (const v1::SpoDuel& duel : result.duels()) {
    const bool left = duel.left() == prompt && duel.right() == other;
    const bool right = duel.right() == prompt && duel.left() == other;
    if (!left && !right) continue;
    if (duel.outcome() == v1::Comparison::OUTCOME_NEUTRAL) ++record.ties;
    if (duel.outcome() == v1::Comparison::OUTCOME_LEFT) ++(left ? record.wins : record.losses);
    if (duel.outcome() == v1::Comparison::OUTCOME_RIGHT) ++(right ? record.wins : record.losses);
  }
  return record;
}

std::vector<int> StrongestFirst(const v1::SpoResult& result, size_t max) {
  std::vector<int> order;
  for (const v1::CompareStrength& strength : result.strengths()) {
    int number = 0;
    for (const char c : strength.name()) {
      if (c >= '0' && c <= '9' && number < 1'000'000) number = 10 * number + (c - '0');
    }
    if (PromptNumber(result, number) != nullptr) order.push_back(number);
  }
  if (order.size() <= max) return order;
  // The first and the best keep their places.
  std::vector<int> kept;
  size_t room = max;
  for (const int number : order) {
    const v1::SpoPrompt* prompt = PromptNumber(result, number);
    const bool always = number == result.best() || prompt->fate() == v1::SpoPrompt::FATE_SEED;
    if (always && room > 0) --room;
  }
  for (const int number : order) {
    const v1::SpoPrompt* prompt = PromptNumber(result, number);
    const bool always = number == result.best() || prompt->fate() == v1::SpoPrompt::FATE_SEED;
    if (!always && room == 0) continue;
    if (!always) --room;
    kept.push_back(number);
  }
  return kept;
}

}  // namespace troupe
