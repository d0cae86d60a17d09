#include "server/services/optimizer_values.h"

#include <fmt/format.h>

#include "tools/base/hash.h"

namespace troupe {
namespace {

// What makes two sets of values the same.
std::string KeyOf(const ParameterValueList& list) {
  std::string key;
  for (const auto& [name, value] : ValuesIn(list)) {
    const std::string text = value.SerializeAsString();
    key += fmt::format("{}:{}{}:{}", name.size(), name, text.size(), text);
  }
  return key;
}

}  // namespace

ParameterValues ValuesIn(const ParameterValueList& list) {
  ParameterValues values;
  for (const v1::ParameterValue& each : list) values[each.name()] = each.value();
  return values;
}

void FillValues(const ParameterValues& values, ParameterValueList& list) {
  list.Clear();
  for (const auto& [name, value] : values) {
    v1::ParameterValue& each = *list.Add();
    each.set_name(name);
    *each.mutable_value() = value;
  }
}

BestValues::Scored& BestValues::Entry(const ParameterValueList& values) {
  const Hash hash = Sha256(KeyOf(values));
  const auto [place, added] = places_.emplace(std::string(hash.bytes()), all_.size());
  if (added) all_.push_back({values, 0, 0, ""});
  return all_[place->second];
}

void BestValues::Add(const v1::OptimizerStep& step) {
  if (step.has_score_before()) {
    Scored& before = Entry(step.values_before());
    before.sum += step.score_before();
    ++before.count;
  }
  if (step.state() != v1::OptimizerStep::STATE_SUCCEEDED) return;
  Scored& after = Entry(step.values_after());
  const bool known_before = KeyOf(step.values_before()) == KeyOf(step.values_after());
  if (after.step.empty() && after.count == 0 && !known_before) after.step = step.name();
  for (const double score : step.scores_after()) {
    after.sum += score;
    ++after.count;
  }
}

std::optional<v1::GetBestResponse> BestValues::Best() const {
  const Scored* best = nullptr;
  for (const Scored& each : all_) {
    if (each.count == 0) continue;
    if (best == nullptr || each.sum / each.count > best->sum / best->count) best = &each;
  }
  if (best == nullptr) return std::nullopt;
  v1::GetBestResponse response;
  *response.mutable_values() = best->values;
  response.set_score(best->sum / best->count);
  response.set_scores(best->count);
  response.set_step(best->step);
  return response;
}

}  // namespace troupe
