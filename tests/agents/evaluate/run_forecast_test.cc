#include "agents/evaluate/run_forecast.h"

#include <gtest/gtest.h>

#include <cmath>

namespace troupe {
namespace {

Usage Cost(int64_t calls, int64_t microusd) {
  Usage usage;
  usage.model_calls = calls;
  usage.input_tokens = 100 * calls;
  usage.cost_microusd = microusd;
  return usage;
}

BudgetLeft Money(int64_t microusd) {
  BudgetLeft left;
  left.cost_microusd = microusd;
  return left;
}

TEST(RunForecastTest, LearnsFromOneRunFirst) {
  RunForecast forecast;
  EXPECT_EQ(forecast.Fit(BudgetLeft(), 500), 500u);  // no limit
  EXPECT_EQ(forecast.Fit(Money(1), 500), 1u);
  forecast.Add(Cost(3, 100));
  EXPECT_EQ(forecast.Fit(BudgetLeft(), 500), 500u);
  EXPECT_EQ(forecast.Fit(Money(1'000'000), 500), 4u);  // little is known yet
  EXPECT_EQ(forecast.Fit(Money(250), 500), 2u);
  EXPECT_EQ(forecast.Fit(Money(99), 500), 0u);
}

TEST(RunForecastTest, FewRunsAreAsDearAsTheDearest) {
  RunForecast forecast;
  forecast.Add(Cost(1, 100));
  forecast.Add(Cost(9, 900));
  EXPECT_EQ(forecast.Fit(Money(2'000), 500), 2u);
}

TEST(RunForecastTest, ManyRunsTellHowMuchTheyDiffer) {
  RunForecast alike;
  RunForecast different;
  for (int i = 0; i < 100; ++i) {
    alike.Add(Cost(1, 500));
    different.Add(Cost(1, i % 2 == 0 ? 100 : 900));
  }
  EXPECT_EQ(alike.Fit(Money(50'000), 300), 100u);
  // Two standard deviations of the sum are kept: 2 * 400 * sqrt(n).
  const size_t fit = different.Fit(Money(50'000), 300);
  EXPECT_LT(fit, 90u);
  EXPECT_GT(fit, 80u);
  EXPECT_LE(static_cast<double>(fit) * 500 + 800 * std::sqrt(static_cast<double>(fit)), 50'000);
}

TEST(RunForecastTest, TheNarrowestLimitCounts) {
  RunForecast forecast;
  for (int i = 0; i < 10; ++i) forecast.Add(Cost(2, 100));
  BudgetLeft left = Money(10'000);
  left.model_calls = 9;
  left.tool_calls = 0;  // runs use none
  EXPECT_EQ(forecast.Fit(left, 500), 4u);
  left.tokens = 700;
  EXPECT_EQ(forecast.Fit(left, 500), 3u);
}

TEST(RunForecastTest, TheOrderOfRunsDoesNotMatter) {
  RunForecast one;
  RunForecast other;
  for (int i = 0; i < 1000; ++i) {
    one.Add(Cost(i % 7, 1'000'003 * (i % 11)));
    other.Add(Cost((999 - i) % 7, 1'000'003 * ((999 - i) % 11)));
  }
  for (int64_t left = 1; left < 1'000'000'000'000; left *= 3) {
    EXPECT_EQ(one.Fit(Money(left), 5'000), other.Fit(Money(left), 5'000));
  }
}

}  // namespace
}  // namespace troupe
