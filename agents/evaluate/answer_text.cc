#include "agents/evaluate/answer_text.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// As re2 as Debian packages it takes text.
re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

// The first group of the last match.
std::optional<std::string> LastMatch(const RE2& pattern, std::string_view text) {
  re2::StringPiece rest = Piece(text);
  std::optional<std::string> last;
  std::string group;
  while (RE2::FindAndConsume(&rest, pattern, &group)) last = group;
  return last;
}

std::optional<double> NumberOf(std::string number) {
  number.erase(std::remove(number.begin(), number.end(), ','), number.end());
  double above = 0;
  const size_t slash = number.find('/');
  if (slash == std::string::npos) {
    if (absl::SimpleAtod(number, &above) && std::isfinite(above)) return above;
    return std::nullopt;
  }
  double below = 0;
  if (!absl::SimpleAtod(number.substr(0, slash), &above) ||
      !absl::SimpleAtod(number.substr(slash + 1), &below) || below == 0) {
    return std::nullopt;
  }
  return above / below;
}

// Whether a number behind `before` has a minus of its own, and is not taken from something.
bool IsNegative(std::string_view before) {
  for (const std::string_view sign : {"$", "\u20AC", "\u00A3"}) {
    if (before.ends_with(sign)) before.remove_suffix(sign.size());
  }
  const std::string_view minus = before.ends_with('-') ? "-" : "\u2212";
  if (!before.ends_with(minus)) return false;
  before.remove_suffix(minus.size());
  if (before.empty()) return true;
  const auto last = static_cast<unsigned char>(before.back());
  return !absl::ascii_isalnum(last) && last != ')';
}

enum class Which { kFirst, kLast };

std::optional<double> NumberIn(std::string_view text, Which which) {
  static const RE2* const pattern =
      new RE2(R"(((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?:/\d+)?|\.\d+))");
  re2::StringPiece rest = Piece(text);
  re2::StringPiece found;
  std::optional<double> last;
  while (RE2::FindAndConsume(&rest, *pattern, &found)) {
    const auto number = NumberOf(std::string(found.data(), found.size()));
    if (!number.has_value()) continue;
    const auto begin = static_cast<size_t>(found.data() - text.data());
    last = IsNegative(text.substr(0, begin)) ? -*number : *number;
    if (which == Which::kFirst) break;
  }
  return last;
}

std::optional<char> Letter(const std::optional<std::string>& found, int choices) {
  if (!found.has_value() || found->empty()) return std::nullopt;
  const char letter = absl::ascii_toupper(static_cast<unsigned char>((*found)[0]));
  if (letter < 'A' || letter >= 'A' + choices) return std::nullopt;
  return letter;
}

std::string_view LastLine(std::string_view text) {
  text = Trimmed(text);
  const size_t end = text.rfind('\n');
  return Trimmed(end == std::string_view::npos ? text : text.substr(end + 1));
}

}  // namespace

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n\v\f");
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n\v\f") - begin + 1);
}

std::optional<std::string> TaggedPart(std::string_view text, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const size_t begin = text.rfind(open);
  if (begin == std::string_view::npos) return std::nullopt;
  text.remove_prefix(begin + open.size());
  return std::string(Trimmed(text.substr(0, text.find(fmt::format("</{}>", tag)))));
}

std::string Normalized(std::string_view text) {
  std::string normal;
  bool space = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isspace(byte)) {
      space = !normal.empty();
    } else if (!absl::ascii_ispunct(byte)) {
      if (space) normal += ' ';
      space = false;
      normal += absl::ascii_tolower(byte);
    }
  }
  return normal;
}

bool ContainsWords(std::string_view text, std::string_view part) {
  if (part.empty()) return false;
  return fmt::format(" {} ", text).find(fmt::format(" {} ", part)) != std::string::npos;
}

std::optional<double> FindNumber(std::string_view text) {
  if (const size_t mark = text.rfind("####"); mark != std::string_view::npos) {
    if (const auto number = NumberIn(text.substr(mark + 4), Which::kFirst)) return number;
  }
  static const RE2* const boxed = new RE2(R"(\\boxed\{([^{}]*)\})");
  if (const auto inside = LastMatch(*boxed, text)) {
    if (const auto number = NumberIn(*inside, Which::kLast)) return number;
  }
  return NumberIn(text, Which::kLast);
}

std::optional<char> FindChoice(std::string_view text, int choices) {
  static const RE2* const alone = new RE2(R"([(\[]?([A-Za-z])[)\].:]?)");
  static const RE2* const said =
      new RE2(R"((?i:\banswer(?:\s+is)?\s*:?\s*\**\s*)[(\[]?([A-Z])(?:[)\]*.:,;]|\s|$))");
  static const RE2* const bracketed = new RE2(R"(\(([A-Z])\))");
  static const RE2* const begins = new RE2(R"(^\**\(?([A-Z])[).:])");
  std::string found;
  const std::string_view whole = Trimmed(text);
  if (RE2::FullMatch(Piece(whole), *alone, &found)) return Letter(found, choices);
  if (const auto letter = Letter(LastMatch(*said, text), choices)) return letter;
  if (const auto letter = Letter(LastMatch(*bracketed, text), choices)) return letter;
  if (RE2::PartialMatch(Piece(LastLine(text)), *begins, &found)) return Letter(found, choices);
  return std::nullopt;
}

std::string FindCode(std::string_view text) {
  std::optional<std::string> code;
  size_t at = 0;
  while ((at = text.find("```", at)) != std::string_view::npos) {
    const size_t line = text.find('\n', at);
    if (line == std::string_view::npos) break;
    const std::string mark =
        absl::AsciiStrToLower(std::string(Trimmed(text.substr(at + 3, line - at - 3))));
    const size_t end = text.find("```", line);
    if (mark.empty() || mark == "python" || mark == "py" || mark == "python3") {
      code =
          std::string(text.substr(line + 1, end == std::string_view::npos ? end : end - line - 1));
    }
    if (end == std::string_view::npos) break;
    at = end + 3;
  }
  return code.has_value() ? *code : std::string(text);
}

}  // namespace troupe
