// RunForecast: how many more runs a budget is good for, by what those before them cost. A run may
// be one call of a model or a whole agent: what one costs is learnt. The same for the same runs, in
// whatever order they ended. Thread-confined to the task's strand.
#pragma once

#include <absl/numeric/int128.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "agents/runtime/budget.h"
#include "agents/runtime/usage.h"

namespace troupe {

class RunForecast {
 public:
  // A run that ended, with all that it cost.
  void Add(const Usage& run);

  // How many of `wanted` more runs to begin with `left`: all without a limit; one as long as
  // nothing is known; then so many as cost no more in all likelihood (by mean and deviation, or by
  // the dearest of the first few), at first a few and then more and more. 0: not one more fits.
  size_t Fit(const BudgetLeft& left, size_t wanted) const;

  // What a run has cost on average, for people: "3.2 calls of models, 1204 tokens, $0.0031".
  std::string AverageText() const;

 private:
  struct Sum {
    int64_t all = 0;
    absl::uint128 squares = 0;
    int64_t most = 0;
  };
  static constexpr size_t kParts = 4;  // calls of models, calls of tools, tokens, money
  static std::array<int64_t, kParts> PartsOf(const Usage& usage);
  double Mean(size_t part) const;
  size_t FitOf(size_t part, int64_t left, size_t wanted) const;

  std::array<Sum, kParts> sums_;
  int64_t runs_ = 0;
};

}  // namespace troupe
