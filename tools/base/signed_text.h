// Numbers that may be of either sign, for people.
#pragma once

#include <fmt/format.h>

#include <string>

namespace troupe {

// "+1.50", "-0.25", and "0.00" for what is nothing when it is rounded: "-0.00" would say that there
// was something below it.
inline std::string SignedText(double value, int decimals) {
  std::string text = fmt::format("{:+.{}f}", value, decimals);
  if (text.find_first_of("123456789in") == std::string::npos) text.erase(0, 1);  // inf, nan
  return text;
}

}  // namespace troupe
