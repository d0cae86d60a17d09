#include "agents/evaluate/run_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// Fewer runs tell nothing of how much runs differ: then each is thought to be as dear as any was.
constexpr int64_t kFewRuns = 5;
constexpr double kDeviations = 2;
constexpr size_t kGrowth = 4;  // of what is known by, in runs

enum Part : size_t { kModelCalls, kToolCalls, kTokens, kMoney };

}  // namespace

std::array<int64_t, RunForecast::kParts> RunForecast::PartsOf(const Usage& usage) {
  return {usage.model_calls, usage.tool_calls, usage.tokens(), usage.cost_microusd};
}

void RunForecast::Add(const Usage& run) {
  const auto parts = PartsOf(run);
  for (size_t part = 0; part < kParts; ++part) {
    const int64_t cost = std::max<int64_t>(0, parts[part]);
    sums_[part].all += cost;
    sums_[part].squares += absl::uint128(cost) * absl::uint128(cost);
    sums_[part].most = std::max(sums_[part].most, cost);
  }
  ++runs_;
}

double RunForecast::Mean(size_t part) const {
  return runs_ == 0 ? 0 : static_cast<double>(sums_[part].all) / static_cast<double>(runs_);
}

size_t RunForecast::FitOf(size_t part, int64_t left, size_t wanted) const {
  const Sum& sum = sums_[part];
  if (sum.all == 0) return wanted;  // runs do not use it
  const double mean = Mean(part);
  const auto rest = static_cast<double>(left);
  double most = rest / static_cast<double>(sum.most);
  if (runs_ >= kFewRuns) {
    const double variance =
        std::max(0.0, static_cast<double>(sum.squares) / static_cast<double>(runs_) - mean * mean);
    // The largest n with n * mean + 2 * deviation * sqrt(n) <= rest.
    const double margin = kDeviations * std::sqrt(variance) / 2;
    const double root = (std::sqrt(margin * margin + mean * rest) - margin) / mean;
    most = root * root;
  }
  constexpr double kRounding = 1e-9;
  return static_cast<size_t>(
      std::min(static_cast<double>(wanted), std::floor(most * (1 + kRounding))));
}

size_t RunForecast::Fit(const BudgetLeft& left, size_t wanted) const {
  const std::array<std::optional<int64_t>, kParts> limits = {left.model_calls, left.tool_calls,
                                                             left.tokens, left.cost_microusd};
  size_t fit = wanted;
  bool limited = false;
  for (size_t part = 0; part < kParts; ++part) {
    if (!limits[part].has_value()) continue;
    limited = true;
    if (runs_ > 0) fit = std::min(fit, FitOf(part, *limits[part], wanted));
  }
  if (!limited) return wanted;
  if (runs_ == 0) return std::min<size_t>(1, wanted);
  return std::min(fit, kGrowth * static_cast<size_t>(runs_));
}

std::string RunForecast::AverageText() const {
  std::string text = fmt::format("{:.3g} calls of models", Mean(kModelCalls));
  if (sums_[kToolCalls].all > 0) text += fmt::format(", {:.3g} of tools", Mean(kToolCalls));
  text += fmt::format(", {:.0f} tokens", Mean(kTokens));
  if (sums_[kMoney].all > 0) text += fmt::format(", ${:.4f}", Mean(kMoney) * 1e-6);
  return text;
}

}  // namespace troupe
