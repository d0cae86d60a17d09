#include "agents/runtime/text.h"

#include <fmt/format.h>

namespace troupe {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string TruncateUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && IsContinuation(text[end])) --end;
  return std::string(text.substr(0, end));
}

std::string CountText(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
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
