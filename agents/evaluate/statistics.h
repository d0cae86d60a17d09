// What can be said of samples: intervals of a proportion and of a mean, and tests of two samples in
// pairs. Stateless functions; those that draw take a seed and are the same for the same one.
#pragma once

#include <cstdint>
#include <vector>

namespace troupe {

struct ConfidenceInterval {
  double value = 0;
  double low = 0;
  double high = 0;
};

// The quantile of the standard normal distribution, for `p` between 0 and 1 (Wichura's AS 241, to
// 16 digits).
double NormalQuantile(double p);

// Wilson's score interval of `successes` in `trials` at `level` (0.95). Without trials 0 to 1.
ConfidenceInterval WilsonInterval(int64_t successes, int64_t trials, double level);

// The mean of `values` with the percentile bootstrap interval. Without values all 0; all the same:
// that value.
ConfidenceInterval BootstrapMean(const std::vector<double>& values, double level, uint64_t seed);

// The mean of scores from 0 to 1. Where each is one or the other end, right or wrong, with Wilson's
// interval, which has a width even if all are alike; else with the bootstrap's. Without values all
// 0.
ConfidenceInterval MeanScoreInterval(const std::vector<double>& scores, double level,
                                     uint64_t seed);

// Two-sided p-value of a fair coin that falls `a` times one way and `b` times the other: the exact
// McNemar test of the items that only one of two passed, and the sign test of wins and losses. 1
// without any.
double FairCoinP(int64_t a, int64_t b);

// The value that `part` of `values` does not exceed (nearest rank); 0 without any.
double Percentile(std::vector<double> values, double part);

}  // namespace troupe
