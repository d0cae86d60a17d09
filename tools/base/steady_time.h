// SteadyNow: for deadlines and durations, which must not change when somebody sets the clock.
#pragma once

#include <absl/time/time.h>

#include <chrono>

namespace troupe {

// A time on an axis of its own, whose beginning means nothing: compare it, and subtract it, with
// other values of SteadyNow alone. What is shown to people or kept in the store is absl::Now().
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace troupe
