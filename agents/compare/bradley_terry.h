// Strengths of compared things by the Bradley-Terry model: of two, one with d more wins with
// probability 1 / (1 + exp(-d)). Ties count as half a win to each side, by Davidson's extension
// (1970), which has one more parameter, how often things tie, and so knows that a tie tells less
// than a win. With a normal prior on the strengths the fit always exists and is unique, for any
// comparisons: also when one thing won every time, or two were never compared. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
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

// What is thought of strengths before anything was compared.
struct BradleyTerryPrior {
  struct Part {
    size_t index = 0;
    double weight = 1;
  };
  // The strength lies around the weighted sum of others' strengths, none of them its own, with this
  // standard deviation; around 0 without parts. Parts need not be things that were ever compared: a
  // change that several prompts have in common is one too, and is learnt from all of them.
  struct Thing {
    double deviation = 3;
    std::vector<Part> around;
  };
  std::vector<Thing> things;  // those that it has no entry for are as Thing()
};

// A lower triangle of which row i begins at column begin[i].
struct BradleyTerryFactor {
  std::vector<std::vector<double>> rows;
  std::vector<size_t> begin;
};

class BradleyTerryFit {
 public:
  size_t size() const { return strengths_.size(); }
  // The strengths; their mean is 0, unless the prior has things: then they are as it has them.
  double strength(size_t index) const { return strengths_[index]; }
  // Of a strength's difference from the mean of all; with a prior of things, of the strength.
  double deviation(size_t index) const;
  double difference(size_t left, size_t right) const {
    return strengths_[left] - strengths_[right];
  }
  double difference_deviation(size_t left, size_t right) const;
  // Strengths as they may be: drawn from what is known of them, with deviations times `spread`. The
  // same for the same seed.
  std::vector<double> Draw(uint64_t seed, double spread) const;
  // How often evenly matched things tie, in proportion to how often one of them wins; 0: never.
  double tie_weight() const { return tie_weight_; }

 private:
  friend absl::StatusOr<BradleyTerryFit> FitBradleyTerry(size_t, const std::vector<PairResult>&,
                                                         const BradleyTerryPrior&);
  // The covariance of `weights` with itself.
  double VarianceOf(std::vector<double> weights) const;

  std::vector<double> strengths_;
  BradleyTerryFactor factor_;  // of the precision, by Cholesky; things turned round
  bool anchored_ = false;
  double tie_weight_ = 0;
};

// kInvalidField for a result of things that are not among the `count`, of one with itself, or with
// numbers that are negative or not finite; likewise for a prior.
absl::StatusOr<BradleyTerryFit> FitBradleyTerry(size_t count,
                                                const std::vector<PairResult>& results,
                                                const BradleyTerryPrior& prior = {});

// Probability that one with `difference` more wins, ties left out.
double WinProbability(double difference);

}  // namespace troupe
