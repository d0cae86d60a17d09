#include "agents/compare/bradley_terry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxSteps = 100;
constexpr double kLongestStep = 1;
constexpr double kConverged = 1e-9;
constexpr double kTieDeviation = 2;  // prior of the tie weight's logarithm

using Matrix = std::vector<std::vector<double>>;

// The logarithm of the posterior, as gradient and negative Hessian. The parameters are the
// strengths and, if anything tied, the logarithm of the tie weight behind them.
struct Slope {
  std::vector<double> gradient;
  Matrix curvature;
};

// Adds to two things alike and against each other.
void AddBetween(Matrix& matrix, size_t left, size_t right, double value) {
  matrix[left][left] += value;
  matrix[right][right] += value;
  matrix[left][right] -= value;
  matrix[right][left] -= value;
}

Matrix PriorPrecision(size_t count, bool ties, const BradleyTerryPrior& prior) {
  Matrix precision(count + (ties ? 1 : 0), std::vector<double>(count + (ties ? 1 : 0), 0));
  for (size_t i = 0; i < count; ++i) {
    const size_t parent = i < prior.parents.size() ? prior.parents[i] : kNoParent;
    if (parent == kNoParent || parent >= count || parent == i) {
      precision[i][i] += 1 / (prior.deviation * prior.deviation);
    } else {
      AddBetween(precision, i, parent, 1 / (prior.parent_deviation * prior.parent_deviation));
    }
  }
  if (ties) precision[count][count] += 1 / (kTieDeviation * kTieDeviation);
  return precision;
}

void AddResult(const PairResult& result, const std::vector<double>& at, bool ties, Slope& slope) {
  const double half = (at[result.left] - at[result.right]) / 2;
  const double left = std::exp(half);
  const double right = std::exp(-half);
  const double tie = ties ? std::exp(at.back()) : 0;
  const double all = left + right + tie;
  const double number = result.left_wins + result.right_wins + result.ties;
  // What is expected of one comparison: the half difference of wins, its variance, ties.
  const double mean = (left - right) / all / 2;
  const double variance = (left + right) / all / 4 - mean * mean;
  const double tied = tie / all;
  const double surplus = (result.left_wins - result.right_wins) / 2 - number * mean;
  slope.gradient[result.left] += surplus;
  slope.gradient[result.right] -= surplus;
  AddBetween(slope.curvature, result.left, result.right, number * variance);
  if (!ties) return;
  const size_t last = at.size() - 1;
  slope.gradient[last] += result.ties - number * tied;
  slope.curvature[last][last] += number * tied * (1 - tied);
  const double covariance = -number * mean * tied;
  slope.curvature[result.left][last] += covariance;
  slope.curvature[last][result.left] += covariance;
  slope.curvature[result.right][last] -= covariance;
  slope.curvature[last][result.right] -= covariance;
}

Slope SlopeAt(const std::vector<double>& at, const std::vector<PairResult>& results, bool ties,
              const Matrix& precision) {
  Slope slope{std::vector<double>(at.size(), 0), precision};
  for (size_t i = 0; i < at.size(); ++i) {
    for (size_t j = 0; j < at.size(); ++j) slope.gradient[i] -= precision[i][j] * at[j];
  }
  for (const PairResult& result : results) AddResult(result, at, ties, slope);
  return slope;
}

// The inverse of a symmetric positive definite matrix, by Gauss and Jordan.
Matrix Inverse(Matrix matrix) {
  const size_t size = matrix.size();
  Matrix inverse(size, std::vector<double>(size, 0));
  for (size_t i = 0; i < size; ++i) inverse[i][i] = 1;
  for (size_t i = 0; i < size; ++i) {
    const double pivot = matrix[i][i];
    for (size_t k = 0; k < size; ++k) {
      matrix[i][k] /= pivot;
      inverse[i][k] /= pivot;
    }
    for (size_t j = 0; j < size; ++j) {
      const double factor = matrix[j][i];
      if (j == i || factor == 0) continue;
      for (size_t k = 0; k < size; ++k) {
        matrix[j][k] -= factor * matrix[i][k];
        inverse[j][k] -= factor * inverse[i][k];
      }
    }
  }
  return inverse;
}

absl::Status Check(size_t count, const std::vector<PairResult>& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const PairResult& result = results[i];
    const bool pair = result.left < count && result.right < count && result.left != result.right;
    bool numbers = true;
    for (const double number : {result.left_wins, result.right_wins, result.ties}) {
      numbers = numbers && std::isfinite(number) && number >= 0;
    }
    if (pair && numbers) continue;
    return Error(Reason::kInvalidField,
                 fmt::format("comparison {} of {} things is not of two of them, or its numbers are "
                             "negative or not finite",
                             i, count));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BradleyTerryFit> FitBradleyTerry(size_t count,
                                                const std::vector<PairResult>& results,
                                                const BradleyTerryPrior& prior) {
  RETURN_IF_ERROR(Check(count, results));
  const bool ties = std::any_of(results.begin(), results.end(),
                                [](const PairResult& result) { return result.ties > 0; });
  const Matrix precision = PriorPrecision(count, ties, prior);
  std::vector<double> at(precision.size(), 0);
  BradleyTerryFit fit;
  // Newton's method; the posterior is concave, steps that are too long are shortened.
  for (int step = 0; step < kMaxSteps; ++step) {
    const Slope slope = SlopeAt(at, results, ties, precision);
    fit.covariance_ = Inverse(slope.curvature);
    std::vector<double> move(at.size(), 0);
    double longest = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      for (size_t j = 0; j < at.size(); ++j) move[i] += fit.covariance_[i][j] * slope.gradient[j];
      longest = std::max(longest, std::abs(move[i]));
    }
    const double scale = longest > kLongestStep ? kLongestStep / longest : 1;
    for (size_t i = 0; i < at.size(); ++i) at[i] += scale * move[i];
    if (longest < kConverged) break;
  }
  fit.tie_weight_ = ties ? std::exp(at.back()) : 0;
  at.resize(count);
  double mean = 0;
  for (const double strength : at) mean += strength / static_cast<double>(count);
  for (double& strength : at) strength -= mean;
  fit.strengths_ = std::move(at);
  return fit;
}

double BradleyTerryFit::deviation(size_t index) const {
  // Of a[i] - mean(a), by the covariances of all.
  const double count = static_cast<double>(size());
  double with_mean = 0;
  double mean = 0;
  for (size_t i = 0; i < size(); ++i) {
    with_mean += covariance_[index][i] / count;
    for (size_t j = 0; j < size(); ++j) mean += covariance_[i][j] / (count * count);
  }
  return std::sqrt(std::max(0.0, covariance_[index][index] - 2 * with_mean + mean));
}

double BradleyTerryFit::difference_deviation(size_t left, size_t right) const {
  return std::sqrt(std::max(
      0.0, covariance_[left][left] + covariance_[right][right] - 2 * covariance_[left][right]));
}

double WinProbability(double difference) { return 1 / (1 + std::exp(-difference)); }

}  // namespace troupe
