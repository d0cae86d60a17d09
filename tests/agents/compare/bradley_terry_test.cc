#include "agents/compare/bradley_terry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "agents/compare/agreement.h"

namespace troupe {
namespace {

// With a prior this wide the fit is the maximum of the likelihood.
BradleyTerryPrior Wide() {
  return {.things = std::vector<BradleyTerryPrior::Thing>(9, {.deviation = 1000})};
}

// Baseball, American League East, 1987: Agresti, Categorical Data Analysis, table 10.10; estimates
// and standard errors against Baltimore as published there and in the R package BradleyTerry2.
TEST(BradleyTerryTest, AgreesWithAPublishedExample) {
  const std::vector<std::vector<double>> wins = {{0, 7, 9, 7, 7, 9, 11},  // Milwaukee
                                                 {6, 0, 7, 5, 11, 9, 9},  // Detroit
                                                 {4, 6, 0, 7, 7, 8, 12},  // Toronto
                                                 {6, 8, 6, 0, 6, 7, 10},  // New York
                                                 {6, 2, 6, 7, 0, 7, 12},  // Boston
                                                 {4, 4, 5, 6, 6, 0, 6},   // Cleveland
                                                 {2, 4, 1, 3, 1, 7, 0}};  // Baltimore
  std::vector<PairResult> results;
  for (size_t i = 0; i < wins.size(); ++i) {
    for (size_t j = i + 1; j < wins.size(); ++j) {
      results.push_back({i, j, wins[i][j], wins[j][i], 0});
    }
  }
  const auto fit = FitBradleyTerry(wins.size(), results, Wide());
  ASSERT_TRUE(fit.ok()) << fit.status();
  const double published[] = {1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839};
  const double errors[] = {0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319};
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(fit->difference(i, 6), published[i], 1e-3) << i;
    EXPECT_NEAR(fit->difference_deviation(i, 6), errors[i], 1e-3) << i;
  }
  EXPECT_EQ(fit->tie_weight(), 0);
}

double LogPosterior(double difference, double log_tie, double wins, double losses, double ties) {
  const double left = std::exp(difference / 2);
  const double right = std::exp(-difference / 2);
  const double tie = std::exp(log_tie);
  const double all = left + right + tie;
  return wins * std::log(left / all) + losses * std::log(right / all) + ties * std::log(tie / all) -
         difference * difference /
             (4 * 9.0)  // two strengths of deviation 3, half the difference each
         - log_tie * log_tie / (2 * 4.0);
}

TEST(BradleyTerryTest, AgreesWithTheLikelihoodByBruteForce) {
  const auto fit = FitBradleyTerry(2, {{0, 1, 6, 2, 4}});
  ASSERT_TRUE(fit.ok());
  double best = -1e9;
  double difference = 0;
  double log_tie = 0;
  for (double d = -1; d < 4; d += 0.01) {
    for (double t = -2; t < 2; t += 0.01) {
      const double at = LogPosterior(d, t, 6, 2, 4);
      if (at > best) std::tie(best, difference, log_tie) = std::tuple(at, d, t);
    }
  }
  EXPECT_NEAR(fit->difference(0, 1), difference, 0.011);
  EXPECT_NEAR(std::log(fit->tie_weight()), log_tie, 0.011);
  EXPECT_NEAR(fit->strength(0) + fit->strength(1), 0, 1e-9);
}

TEST(BradleyTerryTest, TiesAreHalfWinsAndTellLessThanWins) {
  const auto even = FitBradleyTerry(2, {{0, 1, 0, 0, 9}});
  ASSERT_TRUE(even.ok());
  EXPECT_NEAR(even->difference(0, 1), 0, 1e-9);
  const auto sure = FitBradleyTerry(2, {{0, 1, 6, 0, 0}});
  const auto tied = FitBradleyTerry(2, {{0, 1, 6, 0, 12}});
  ASSERT_TRUE(sure.ok() && tied.ok());
  EXPECT_GT(sure->difference(0, 1), 0);
  EXPECT_GT(tied->difference(0, 1), 0);
}

TEST(BradleyTerryTest, ExistsWhateverWasCompared) {
  // One that always won, one that was never compared, two groups that never met.
  const auto fit = FitBradleyTerry(5, {{0, 1, 50, 0, 0}, {2, 3, 0, 7, 1}});
  ASSERT_TRUE(fit.ok());
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(std::isfinite(fit->strength(i))) << i;
    EXPECT_GT(fit->deviation(i), 0) << i;
  }
  EXPECT_GT(fit->difference(0, 1), 2);
  EXPECT_GT(fit->difference_deviation(0, 4), fit->difference_deviation(0, 1));
  EXPECT_TRUE(FitBradleyTerry(0, {}).ok());
}

TEST(BradleyTerryTest, ChildrenAreThoughtToBeLikeTheirParents) {
  BradleyTerryPrior prior;
  prior.things = {{}, {1.5, {{0}}}, {1.5, {{1}}}};
  const auto fit = FitBradleyTerry(3, {{0, 1, 0, 8, 0}}, prior);
  ASSERT_TRUE(fit.ok());
  EXPECT_NEAR(fit->difference(2, 1), 0, 1e-6);
  EXPECT_GT(fit->difference(2, 0), 0.5);
}

TEST(BradleyTerryTest, WhatPromptsHaveInCommonIsLearntFromAllOfThem) {
  // 1 and 2 both have the change 3, which is compared with nothing itself; so has 4, untried.
  BradleyTerryPrior prior;
  prior.things = {{0.001}, {0.3, {{0}, {3}}}, {0.3, {{0}, {3}}}, {1}, {0.3, {{0}, {3}}}};
  const auto fit = FitBradleyTerry(5, {{0, 1, 0, 4, 0}, {0, 2, 1, 4, 1}}, prior);
  ASSERT_TRUE(fit.ok());
  EXPECT_NEAR(fit->strength(0), 0, 1e-3);
  EXPECT_GT(fit->strength(3), 0.5);
  EXPECT_NEAR(fit->strength(4), fit->strength(3), 1e-3);
  EXPECT_GT(fit->deviation(4), fit->deviation(3));
  // Draws scatter about the strengths by the deviations.
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 4000;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const double drawn = fit->Draw(seed, 1)[4] - fit->strength(4);
    sum += drawn;
    squares += drawn * drawn;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.05);
  EXPECT_NEAR(std::sqrt(squares / kDraws), fit->deviation(4), 0.03);
  EXPECT_EQ(fit->Draw(7, 1), fit->Draw(7, 1));
  EXPECT_EQ(fit->Draw(7, 0)[4], fit->strength(4));
  prior.things[1].around = {{1}};
  EXPECT_FALSE(FitBradleyTerry(5, {}, prior).ok());
}

// Prompts compared in rounds of their own, each made from an earlier one: however the things are
// numbered, and so in whatever order the fit works through them, it comes to the same.
TEST(BradleyTerryTest, NumbersOfThingsDoNotMatter) {
  constexpr size_t kThings = 40;
  std::mt19937_64 random(5);
  BradleyTerryPrior prior;
  std::vector<PairResult> results;
  for (size_t i = 0; i < kThings; ++i) {
    prior.things.push_back({0.5 + 0.1 * static_cast<double>(i % 3), {}});
    if (i > 0) prior.things[i].around.push_back({random() % i, 1});
    for (size_t j = i / 4 * 4; j < i; ++j) {
      results.push_back({j, i, static_cast<double>(random() % 3), static_cast<double>(random() % 3),
                         static_cast<double>(random() % 2)});
    }
  }
  std::vector<size_t> other(kThings);
  std::iota(other.begin(), other.end(), 0);
  std::shuffle(other.begin(), other.end(), random);
  BradleyTerryPrior moved;
  moved.things.resize(kThings);
  for (size_t i = 0; i < kThings; ++i) {
    moved.things[other[i]] = prior.things[i];
    for (auto& part : moved.things[other[i]].around) part.index = other[part.index];
  }
  std::vector<PairResult> moved_results = results;
  for (PairResult& result : moved_results) {
    result.left = other[result.left];
    result.right = other[result.right];
  }
  const auto fit = FitBradleyTerry(kThings, results, prior);
  const auto moved_fit = FitBradleyTerry(kThings, moved_results, moved);
  ASSERT_TRUE(fit.ok() && moved_fit.ok());
  for (size_t i = 0; i < kThings; ++i) {
    EXPECT_NEAR(fit->strength(i), moved_fit->strength(other[i]), 1e-6);
    EXPECT_NEAR(fit->deviation(i), moved_fit->deviation(other[i]), 1e-6);
    EXPECT_NEAR(fit->difference_deviation(i, 3),
                moved_fit->difference_deviation(other[i], other[3]), 1e-6);
  }
}

TEST(BradleyTerryTest, RefusesWhatIsNoComparison) {
  EXPECT_FALSE(FitBradleyTerry(2, {{0, 2, 1, 0, 0}}).ok());
  EXPECT_FALSE(FitBradleyTerry(2, {{1, 1, 1, 0, 0}}).ok());
  EXPECT_FALSE(FitBradleyTerry(2, {{0, 1, -1, 0, 0}}).ok());
  EXPECT_FALSE(FitBradleyTerry(2, {{0, 1, NAN, 0, 0}}).ok());
}

TEST(AgreementTest, CountsAgainstTheTruth) {
  std::vector<JudgedPair> pairs(8, {Preference::kLeft, Preference::kLeft});
  pairs.push_back({Preference::kRight, Preference::kLeft});
  pairs.push_back({Preference::kLeft, Preference::kRight});
  pairs.push_back({Preference::kNeutral, Preference::kRight});
  pairs.push_back({Preference::kLeft, Preference::kNeutral});  // nothing is known of it
  const Agreement agreement = AgreementOf(pairs);
  EXPECT_EQ(agreement.comparisons, 11);
  EXPECT_EQ(agreement.agreed, 8);
  EXPECT_EQ(agreement.opposed, 2);
  EXPECT_EQ(agreement.neutral, 1);
  // Wilson's interval of 8 of 10, as published in many tables.
  EXPECT_NEAR(agreement.rate, 0.8, 1e-9);
  EXPECT_NEAR(agreement.low, 0.4902, 1e-4);
  EXPECT_NEAR(agreement.high, 0.9433, 1e-4);
  EXPECT_EQ(AgreementOf({}).rate, 0);
}

}  // namespace
}  // namespace troupe
