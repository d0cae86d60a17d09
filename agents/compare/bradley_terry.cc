#include "agents/compare/bradley_terry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxSteps = 100;
constexpr double kLongestStep = 1;
constexpr double kConverged = 1e-7;
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
    const BradleyTerryPrior::Thing thing =
        i < prior.things.size() ? prior.things[i] : BradleyTerryPrior::Thing();
    // Of the difference between the strength and what it lies around.
    std::vector<BradleyTerryPrior::Part> difference = {{i, 1}};
    for (const auto& part : thing.around) difference.push_back({part.index, -part.weight});
    for (const auto& one : difference) {
      for (const auto& other : difference) {
        precision[one.index][other.index] +=
            one.weight * other.weight / (thing.deviation * thing.deviation);
      }
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

// The lower triangle whose product with its transpose a positive definite matrix is, by Cholesky.
// What stands left of the first number other than 0 in a row of the matrix is 0 in the triangle
// too, and is never looked at.
BradleyTerryFactor FactorOf(Matrix matrix) {
  BradleyTerryFactor factor;
  factor.begin.reserve(matrix.size());
  for (size_t i = 0; i < matrix.size(); ++i) {
    std::vector<double>& row = matrix[i];
    size_t begin = 0;
    while (begin < i && row[begin] == 0) ++begin;
    factor.begin.push_back(begin);
    for (size_t j = begin; j <= i; ++j) {
      double rest = row[j];
      for (size_t k = std::max(begin, factor.begin[j]); k < j; ++k) rest -= row[k] * matrix[j][k];
      row[j] = i == j ? std::sqrt(rest) : rest / matrix[j][j];
    }
  }
  factor.rows = std::move(matrix);
  return factor;
}

void SolveForward(const BradleyTerryFactor& factor, std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const std::vector<double>& row = factor.rows[i];
    for (size_t k = factor.begin[i]; k < i; ++k) values[i] -= row[k] * values[k];
    values[i] /= row[i];
  }
}

void SolveBackward(const BradleyTerryFactor& factor, std::vector<double>& values) {
  for (size_t i = values.size(); i-- > 0;) {
    const std::vector<double>& row = factor.rows[i];
    values[i] /= row[i];
    for (size_t k = factor.begin[i]; k < i; ++k) values[k] -= row[k] * values[i];
  }
}

// Independent and standard normal, by Box and Muller: std::normal_distribution differs between
// libraries.
std::vector<double> Normals(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto unit = [&random] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  std::vector<double> normals(count);
  for (double& normal : normals) {
    const double radius = std::sqrt(-2 * std::log(unit()));
    normal = radius * std::cos(2 * std::numbers::pi * unit());
  }
  return normals;
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

absl::Status CheckPrior(size_t count, const BradleyTerryPrior& prior) {
  for (size_t i = 0; i < std::min(count, prior.things.size()); ++i) {
    const BradleyTerryPrior::Thing& thing = prior.things[i];
    bool usable = std::isfinite(thing.deviation) && thing.deviation > 0;
    for (const auto& part : thing.around) {
      usable = usable && part.index < count && part.index != i && std::isfinite(part.weight);
    }
    if (usable) continue;
    return Error(
        Reason::kInvalidField,
        fmt::format("the prior of thing {} of {} is not around others, or its deviation is "
                    "not above 0",
                    i, count));
  }
  return absl::OkStatus();
}

// Things turned round, the last one first. Later things lie around earlier ones and most are
// compared but once: worked through first they leave a factor that is nearly empty.
std::vector<PairResult> TurnedRound(std::vector<PairResult> results, size_t count) {
  for (PairResult& result : results) {
    result.left = count - 1 - result.left;
    result.right = count - 1 - result.right;
  }
  return results;
}

BradleyTerryPrior TurnedRound(BradleyTerryPrior prior, size_t count) {
  prior.things.resize(count);
  std::reverse(prior.things.begin(), prior.things.end());
  for (BradleyTerryPrior::Thing& thing : prior.things) {
    for (BradleyTerryPrior::Part& part : thing.around) part.index = count - 1 - part.index;
  }
  return prior;
}

}  // namespace

absl::StatusOr<BradleyTerryFit> FitBradleyTerry(size_t count,
                                                const std::vector<PairResult>& results,
                                                const BradleyTerryPrior& prior) {
  RETURN_IF_ERROR(Check(count, results));
  RETURN_IF_ERROR(CheckPrior(count, prior));
  const bool ties = std::any_of(results.begin(), results.end(),
                                [](const PairResult& result) { return result.ties > 0; });
  const Matrix precision = PriorPrecision(count, ties, TurnedRound(prior, count));
  const std::vector<PairResult> turned = TurnedRound(results, count);
  std::vector<double> at(precision.size(), 0);
  BradleyTerryFit fit;
  fit.anchored_ = !prior.things.empty();
  // Newton's method; the posterior is concave, steps that are too long are shortened.
  for (int step = 0; step < kMaxSteps; ++step) {
    Slope slope = SlopeAt(at, turned, ties, precision);
    fit.factor_ = FactorOf(std::move(slope.curvature));
    std::vector<double> move = std::move(slope.gradient);
    SolveForward(fit.factor_, move);
    SolveBackward(fit.factor_, move);
    double longest = 0;
    for (const double part : move) longest = std::max(longest, std::abs(part));
    const double scale = longest > kLongestStep ? kLongestStep / longest : 1;
    for (size_t i = 0; i < at.size(); ++i) at[i] += scale * move[i];
    if (longest < kConverged) break;
  }
  fit.tie_weight_ = ties ? std::exp(at.back()) : 0;
  at.resize(count);
  std::reverse(at.begin(), at.end());
  double mean = 0;
  for (const double strength : at) mean += strength / static_cast<double>(count);
  if (!fit.anchored_) {
    for (double& strength : at) strength -= mean;
  }
  fit.strengths_ = std::move(at);
  return fit;
}

double BradleyTerryFit::VarianceOf(std::vector<double> weights) const {
  std::reverse(weights.begin(), weights.end());
  weights.resize(factor_.begin.size(), 0);
  SolveForward(factor_, weights);
  double variance = 0;
  for (const double weight : weights) variance += weight * weight;
  return variance;
}

double BradleyTerryFit::deviation(size_t index) const {
  std::vector<double> weights(size(), anchored_ ? 0 : -1 / static_cast<double>(size()));
  weights[index] += 1;
  return std::sqrt(VarianceOf(std::move(weights)));
}

double BradleyTerryFit::difference_deviation(size_t left, size_t right) const {
  std::vector<double> weights(size(), 0);
  weights[left] += 1;
  weights[right] -= 1;
  return std::sqrt(VarianceOf(std::move(weights)));
}

std::vector<double> BradleyTerryFit::Draw(uint64_t seed, double spread) const {
  std::vector<double> drawn = Normals(factor_.begin.size(), seed);
  SolveBackward(factor_, drawn);
  drawn.resize(size());
  std::reverse(drawn.begin(), drawn.end());
  for (size_t i = 0; i < size(); ++i) drawn[i] = strengths_[i] + spread * drawn[i];
  return drawn;
}

double WinProbability(double difference) { return 1 / (1 + std::exp(-difference)); }

}  // namespace troupe
