// How much slower than usual this build may be: more than 1 under sanitizers, where ctest says so.
#pragma once

#include <cstdlib>

namespace troupe {

inline double Slowness() {
  const char* factor = std::getenv("TROUPE_TEST_SLOWNESS");
  return factor == nullptr ? 1 : std::atof(factor);
}

}  // namespace troupe
