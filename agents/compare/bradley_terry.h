// Strengths of compared things by the Bradley-Terry model: of two, one with d more wins with
// probability 1 / (1 + exp(-d)). Ties count as half a win to each side, by Davidson's extension
// (1970), which has one more parameter, how often things tie, and so knows that a tie tells less
// than a win. With a normal prior on the strengths the fit always exists and is unique, for any
// comparisons: also when one thing won every time, or two were never compared. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <vector>

namespace troupe {

// The half width of a 95 % interval, in standard deviations.
inline constexpr double kZ95 = 1.959963984540054;

// How comparisons of two things, by index, ended.
struct PairResult {
  size_t left = 0;
  size_t right = 0;
  double left_wins = 0;
  double right_wins = 0;
  double ties = 0;
};

struct BradleyTerryPrior {
  // Standard deviation of a strength that has no parent.
  double deviation = 3;
  // Thing to the one it was made from, as likely better as worse: its strength is thought to lie
  // around its parent's. kNoParent, or fewer entries than things: it has none.
  std::vector<size_t> parents;
  double parent_deviation = 1.5;
};
inline constexpr size_t kNoParent = static_cast<size_t>(-1);

class BradleyTerryFit {
 public:
  size_t size() const { return strengths_.size(); }
  // The strengths; their mean is 0.
  double strength(size_t index) const { return strengths_[index]; }
  // Of a strength's difference from the mean of all.
  double deviation(size_t index) const;
  double difference(size_t left, size_t right) const {
    return strengths_[left] - strengths_[right];
  }
  double difference_deviation(size_t left, size_t right) const;
  // How often evenly matched things tie, in proportion to how often one of them wins; 0: never.
  double tie_weight() const { return tie_weight_; }

 private:
  friend absl::StatusOr<BradleyTerryFit> FitBradleyTerry(size_t, const std::vector<PairResult>&,
                                                         const BradleyTerryPrior&);
  std::vector<double> strengths_;
  std::vector<std::vector<double>> covariance_;
  double tie_weight_ = 0;
};

// kInvalidField for a result of things that are not among the `count`, of one with itself, or with
// numbers that are negative or not finite.
absl::StatusOr<BradleyTerryFit> FitBradleyTerry(size_t count,
                                                const std::vector<PairResult>& results,
                                                const BradleyTerryPrior& prior = {});

// Probability that one with `difference` more wins, ties left out.
double WinProbability(double difference);

}  // namespace troupe
