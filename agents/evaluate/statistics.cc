#include "agents/evaluate/statistics.h"

#include <absl/numeric/int128.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace troupe {
namespace {

// Draws of the bootstrap: ends of a 95 % interval are then within about 0.2 % of the probability.
constexpr int kResamples = 10'000;
// Sums of draws in one bootstrap at most, so that large samples take no more than some tenths of a
// second.
constexpr int64_t kMaxDraws = 40'000'000;

// SplitMix64: small, of known quality, and the same on every machine.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}

  // 0 to `count` - 1.
  size_t Below(size_t count) {
    return static_cast<size_t>(absl::Uint128High64(absl::uint128(Next()) * count));
  }

 private:
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

double Polynomial(const std::array<double, 8>& coefficients, double x) {
  double sum = 0;
  for (auto each = coefficients.rbegin(); each != coefficients.rend(); ++each) {
    sum = sum * x + *each;
  }
  return sum;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double NormalQuantile(double p) {
  static constexpr std::array<double, 8> a = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                              1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                              4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                              3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr std::array<double, 8> b = {1.0,
                                              4.2313330701600911252e+1,
                                              6.8718700749205790830e+2,
                                              5.3941960214247511077e+3,
                                              2.1213794301586595867e+4,
                                              3.9307895800092710610e+4,
                                              2.8729085735721942674e+4,
                                              5.2264952788528545610e+3};
  static constexpr std::array<double, 8> c = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                              5.76949722146069140550e0,  3.64784832476320460504e0,
                                              1.27045825245236838258e0,  2.41780725177450611770e-1,
                                              2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr std::array<double, 8> d = {1.0,
                                              2.05319162663775882187e0,
                                              1.67638483018380384940e0,
                                              6.89767334985100004550e-1,
                                              1.48103976427480074590e-1,
                                              1.51986665636164571966e-2,
                                              5.47593808499534494600e-4,
                                              1.05075007164441684324e-9};
  static constexpr std::array<double, 8> e = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                              1.78482653991729133580e0,  2.96560571828504891230e-1,
                                              2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                              2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr std::array<double, 8> f = {1.0,
                                              5.99832206555887937690e-1,
                                              1.36929880922735805310e-1,
                                              1.48753612908506148525e-2,
                                              7.86869131145613259100e-4,
                                              1.84631831751005468180e-5,
                                              1.42151175831644588870e-7,
                                              2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * Polynomial(a, r) / Polynomial(b, r);
  }
  const double tail = std::sqrt(-std::log(q < 0 ? p : 1 - p));
  const double value = tail <= 5 ? Polynomial(c, tail - 1.6) / Polynomial(d, tail - 1.6)
                                 : Polynomial(e, tail - 5) / Polynomial(f, tail - 5);
  return q < 0 ? -value : value;
}

ConfidenceInterval WilsonInterval(int64_t successes, int64_t trials, double level) {
  if (trials == 0) return {0, 0, 1};
  const double n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double z = NormalQuantile(1 - (1 - level) / 2);
  const double scale = 1 + z * z / n;
  const double center = (p + z * z / (2 * n)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale;
  return {p, std::max(0.0, center - half), std::min(1.0, center + half)};
}

ConfidenceInterval BootstrapMean(const std::vector<double>& values, double level, uint64_t seed) {
  if (values.empty()) return {};
  const double mean = Mean(values);
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; })) {
    return {values[0], values[0], values[0]};
  }
  const auto size = static_cast<int64_t>(values.size());
  const auto resamples =
      static_cast<size_t>(std::clamp<int64_t>(kMaxDraws / size, 1000, kResamples));
  Draws draws(seed);
  std::vector<double> means(resamples);
  for (double& each : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[draws.Below(values.size())];
    each = sum / static_cast<double>(size);
  }
  const double tail = (1 - level) / 2;
  return {mean, Percentile(means, tail), Percentile(means, 1 - tail)};
}

ConfidenceInterval MeanScoreInterval(const std::vector<double>& scores, double level,
                                     uint64_t seed) {
  const auto right = std::count(scores.begin(), scores.end(), 1.0);
  const auto wrong = std::count(scores.begin(), scores.end(), 0.0);
  const auto all = static_cast<int64_t>(scores.size());
  if (all == 0 || right + wrong < all) return BootstrapMean(scores, level, seed);
  return WilsonInterval(right, all, level);
}

double FairCoinP(int64_t a, int64_t b) {
  const int64_t n = a + b;
  if (n == 0) return 1;
  // Logarithms, so that n may be large.
  const double all = std::lgamma(static_cast<double>(n) + 1);
  double tail = 0;
  for (int64_t k = 0; k <= std::min(a, b); ++k) {
    tail += std::exp(all - std::lgamma(static_cast<double>(k) + 1) -
                     std::lgamma(static_cast<double>(n - k) + 1) -
                     static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

double Percentile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  const auto count = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::clamp(std::ceil(part * count), 1.0, count)) - 1;
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(rank), values.end());
  return values[rank];
}

}  // namespace troupe
