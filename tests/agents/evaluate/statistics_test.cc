// Against published values: Newcombe (1998) for Wilson's interval, Wichura (1988) for the quantile,
// the vignette of R's exact2x2 for McNemar's test.
#include "agents/evaluate/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace troupe {
namespace {

TEST(StatisticsTest, NormalQuantileIsAsPublished) {
  EXPECT_NEAR(NormalQuantile(0.25), -0.6744897501960817, 1e-14);
  EXPECT_NEAR(NormalQuantile(0.001), -3.090232306167814, 1e-13);
  EXPECT_NEAR(NormalQuantile(1e-20), -9.262340089798408, 1e-12);
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-13);
  EXPECT_DOUBLE_EQ(NormalQuantile(0.5), 0);
}

TEST(StatisticsTest, WilsonIntervalIsAsPublished) {
  struct Published {
    int successes, trials;
    double low, high;
  };
  for (const Published& row :
       {Published{81, 263, 0.2553, 0.3662}, Published{15, 148, 0.0624, 0.1605},
        Published{0, 20, 0.0, 0.1611}, Published{1, 29, 0.0061, 0.1718}}) {
    const ConfidenceInterval interval = WilsonInterval(row.successes, row.trials, 0.95);
    EXPECT_NEAR(interval.low, row.low, 5e-5) << row.trials;
    EXPECT_NEAR(interval.high, row.high, 5e-5) << row.trials;
  }
  EXPECT_DOUBLE_EQ(WilsonInterval(20, 20, 0.95).high, 1);
  EXPECT_DOUBLE_EQ(WilsonInterval(0, 0, 0.95).high, 1);
}

TEST(StatisticsTest, ExactMcNemarIsAsPublished) {
  EXPECT_NEAR(FairCoinP(2, 9), 0.06543, 5e-6);
  EXPECT_NEAR(FairCoinP(9, 2), 0.06543, 5e-6);
  EXPECT_NEAR(FairCoinP(2, 10), 0.03857, 5e-6);  // R: binom.test(2, 12)
  EXPECT_DOUBLE_EQ(FairCoinP(0, 0), 1);
  EXPECT_DOUBLE_EQ(FairCoinP(5, 5), 1);
  EXPECT_NEAR(FairCoinP(0, 6), 0.03125, 1e-12);
  EXPECT_GT(FairCoinP(4900, 5100), 0.04);  // large numbers do not overflow
  EXPECT_LT(FairCoinP(4900, 5100), 0.05);
}

TEST(StatisticsTest, BootstrapComesToWhatTheNormalDistributionSays) {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(i);
  const ConfidenceInterval interval = BootstrapMean(values, 0.95, 7);
  EXPECT_DOUBLE_EQ(interval.value, 50.5);
  // The standard error of the mean is sqrt((100^2 - 1) / 12 / 100) = 2.8866.
  EXPECT_NEAR(interval.low, 50.5 - 1.96 * 2.8866, 0.25);
  EXPECT_NEAR(interval.high, 50.5 + 1.96 * 2.8866, 0.25);
  const ConfidenceInterval again = BootstrapMean(values, 0.95, 7);
  EXPECT_EQ(interval.low, again.low);
  EXPECT_EQ(interval.high, again.high);
  EXPECT_LT(BootstrapMean(values, 0.8, 7).high, interval.high);
  EXPECT_EQ(BootstrapMean({3, 3, 3}, 0.95, 1).low, 3);
  EXPECT_EQ(BootstrapMean({}, 0.95, 1).high, 0);
}

TEST(StatisticsTest, RightOrWrongHasWilsonsInterval) {
  const ConfidenceInterval all = MeanScoreInterval(std::vector<double>(40, 1.0), 0.95, 1);
  EXPECT_EQ(all.value, 1);
  EXPECT_NEAR(all.low, 0.9124, 1e-4);
  EXPECT_DOUBLE_EQ(all.high, 1);
  EXPECT_NEAR(MeanScoreInterval({0, 0, 1, 0}, 0.95, 1).high, 0.6994, 1e-4);
  // A score in between is no proportion.
  const std::vector<double> some = {0, 1, 0.5, 1};
  EXPECT_EQ(MeanScoreInterval(some, 0.95, 7).low, BootstrapMean(some, 0.95, 7).low);
  EXPECT_EQ(MeanScoreInterval({}, 0.95, 1).high, 0);
}

// The interval must hold the true mean about as often as it says.
TEST(StatisticsTest, BootstrapIntervalsHoldTheTruthAsOftenAsTheySay) {
  uint64_t state = 1;
  int held = 0;
  constexpr int kTrials = 400;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values;
    for (int i = 0; i < 50; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      values.push_back(static_cast<double>(state >> 33) / 4294967296.0 * 2);  // mean 0.5 ... 1
    }
    const ConfidenceInterval interval = BootstrapMean(values, 0.9, static_cast<uint64_t>(trial));
    if (interval.low <= 0.5 && 0.5 <= interval.high) ++held;
  }
  EXPECT_GT(held, kTrials * 84 / 100);
  EXPECT_LT(held, kTrials * 95 / 100);
}

TEST(StatisticsTest, PercentileIsTheNearestRank) {
  EXPECT_EQ(Percentile({15, 20, 35, 40, 50}, 0.3), 20);
  EXPECT_EQ(Percentile({50, 15, 40, 20, 35}, 0.4), 20);
  EXPECT_EQ(Percentile({15, 20, 35, 40, 50}, 1), 50);
  EXPECT_EQ(Percentile({15}, 0), 15);
  EXPECT_EQ(Percentile({}, 0.5), 0);
}

}  // namespace
}  // namespace troupe
