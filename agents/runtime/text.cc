#include "agents/runtime/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace troupe {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string_view Utf8Prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && IsContinuation(text[end])) --end;
  return text.substr(0, end);
}

std::string TruncateUtf8(std::string_view text, size_t max_bytes) {
  return std::string(Utf8Prefix(text, max_bytes));
}

std::string CountText(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool IsUtf8(std::string_view text) {
  // What the second byte of a character may be follows from the first, which also tells its length.
  struct Lead {
    unsigned char from, to;         // of the first byte
    unsigned char lowest, highest;  // of the second
    size_t size;
  };
  static constexpr Lead kLeads[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                                    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
                                    {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                                    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const auto* lead = std::find_if(std::begin(kLeads), std::end(kLeads), [&](const Lead& each) {
      return first >= each.from && first <= each.to;
    });
    if (lead == std::end(kLeads) || text.size() - at < lead->size) return false;
    const auto second = static_cast<unsigned char>(text[at + 1]);
    if (second < lead->lowest || second > lead->highest) return false;
    for (size_t i = 2; i < lead->size; ++i) {
      if (!IsContinuation(text[at + i])) return false;
    }
    at += lead->size;
  }
  return true;
}

std::string Elide(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  const std::string head = TruncateUtf8(text, max_bytes * 2 / 3);
  size_t tail = text.size() - max_bytes / 3;
  while (tail < text.size() && IsContinuation(text[tail])) ++tail;
  return fmt::format("{}\n[... {} bytes left out ...]\n{}", head, tail - head.size(),
                     text.substr(tail));
}

}  // namespace troupe
