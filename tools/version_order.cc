#include "tools/version_order.h"

#include <cstdint>

namespace troupe {
namespace {

// The number at the beginning of `text`, which is taken from it; numbers beyond 18 digits count as
// that many.
int64_t TakeNumber(std::string_view& text) {
  int64_t number = 0;
  for (int digits = 0; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1)) {
    if (++digits <= 18) number = number * 10 + (text[0] - '0');
  }
  return number;
}

bool StartsWithDigit(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

}  // namespace

bool IsNewer(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (StartsWithDigit(a) && StartsWithDigit(b)) {
      const int64_t first = TakeNumber(a);
      const int64_t second = TakeNumber(b);
      if (first != second) return first > second;
      continue;
    }
    if (a[0] != b[0]) return a[0] > b[0];
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() > b.size();
}

}  // namespace troupe
