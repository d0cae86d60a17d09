#include "agents/report/markdown.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

// Whether the character at `at` could make markup or a link of the text around it.
bool MakesMarkup(std::string_view text, size_t at) {
  const char c = text[at];
  if (c == ':') return text.substr(at + 1).starts_with('/');
  if (c == '.')
    return at >= 3 && absl::AsciiStrToLower(std::string(text.substr(at - 3, 3))) == "www";
  return std::string_view("\\`*_[]<>#|~&@").find(c) != std::string_view::npos;
}

}  // namespace

std::string InlineText(std::string_view text, size_t max_bytes) {
  std::string shown;
  for (size_t at = 0; at < std::min(text.size(), max_bytes); ++at) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) < 0x20) {
      shown += ' ';
    } else if (MakesMarkup(text, at)) {
      shown += fmt::format("&#{};", static_cast<int>(c));
    } else {
      shown += c;
    }
  }
  // A character that was cut in two is none.
  if (text.size() > max_bytes) {
    while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xC0) == 0x80) {
      shown.pop_back();
    }
    if (!shown.empty() && static_cast<unsigned char>(shown.back()) >= 0xC0) shown.pop_back();
    shown += "…";
  }
  return shown;
}

std::string FencedText(std::string_view text, std::string_view language) {
  size_t longest = 2;
  size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  const std::string_view end = text.ends_with('\n') ? "" : "\n";
  return fmt::format("{}{}\n{}{}{}\n", fence, language, text, end, fence);
}

std::string DollarText(int64_t microusd) {
  const double dollars = static_cast<double>(microusd) * 1e-6;
  return dollars < 0.1 ? fmt::format("${:.4f}", dollars) : fmt::format("${:.2f}", dollars);
}

}  // namespace troupe
