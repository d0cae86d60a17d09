// Seconds of a clock that only goes forward.
#pragma once

#include <chrono>

namespace troupe::bench {

inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace troupe::bench
