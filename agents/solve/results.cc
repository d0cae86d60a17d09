#include "agents/solve/results.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/text.h"

namespace troupe {
namespace {

constexpr size_t kMaxKept = 32 * 1024 * 1024;
constexpr int kMaxHits = 20;
constexpr size_t kHitBytes = 240;

// The text from byte `first` on, at most `most` bytes, not beginning inside a character.
std::string Part(const std::string& text, size_t first, size_t most) {
  while (first > 0 && first < text.size() && (text[first] & 0xC0) == 0x80) --first;
  return TruncateUtf8(std::string_view(text).substr(first), most);
}

}  // namespace

ToolDeclaration ReadResultDeclaration() {
  return {
      kReadResult,
      "Shows more of an earlier result of yours, by the id that stands with it: from a byte on, "
      "or the places where some text occurs.",
      {{"type", "object"},
       {"properties",
        {{"id", {{"type", "string"}, {"description", "As it stands with the result: \"3.1\"."}}},
         {"from",
          {{"type", "integer"}, {"minimum", 0}, {"description", "The first byte to show."}}},
         {"find", {{"type", "string"}, {"description", "Text to look for, in any case."}}}}},
       {"required", {"id"}},
       {"additionalProperties", false}}};
}

std::string Results::Keep(const std::string& id, std::string text) {
  std::string shown = text;
  if (text.size() > shown_bytes_) {
    shown = fmt::format(
        "{}\n[Result {} has {} bytes; the middle is left out. read_result with id \"{}\" shows the "
        "rest.]",
        Elide(text, shown_bytes_), id, text.size(), id);
  }
  kept_bytes_ += text.size();
  texts_[id] = std::move(text);
  order_.push_back(id);
  while (kept_bytes_ > kMaxKept && order_.size() > 1) {
    const auto oldest = texts_.find(order_.front());
    kept_bytes_ -= oldest->second.size();
    texts_.erase(oldest);
    order_.pop_front();
  }
  return shown;
}

std::string Results::Read(const Json& arguments) const {
  const std::string id = JsonString(arguments, "id");
  const auto found = texts_.find(id);
  if (found == texts_.end()) {
    return fmt::format("The call failed.\nThere is no result '{}'. There are: {}.", id,
                       fmt::join(order_, ", "));
  }
  const std::string& text = found->second;
  const std::string words = JsonString(arguments, "find");
  if (!words.empty()) return Find(id, text, words);
  const int64_t from = JsonInt(arguments, "from");
  if (from < 0 || static_cast<size_t>(from) >= text.size()) {
    return fmt::format("The call failed.\nResult {} has {} bytes: give from 0 to {}.", id,
                       text.size(), text.empty() ? 0 : text.size() - 1);
  }
  const std::string part = Part(text, static_cast<size_t>(from), shown_bytes_);
  const size_t end = static_cast<size_t>(from) + part.size();
  return fmt::format("{}\n[Bytes {} to {} of {} of result {}.]", part, from,
                     std::min(end, text.size()), text.size(), id);
}

std::string Results::Find(const std::string& id, const std::string& text,
                          const std::string& words) const {
  const std::string lower = absl::AsciiStrToLower(text);
  const std::string wanted = absl::AsciiStrToLower(words);
  std::string shown;
  int hits = 0;
  for (size_t at = lower.find(wanted); at != std::string::npos;
       at = lower.find(wanted, at + wanted.size())) {
    if (++hits > kMaxHits) continue;
    const size_t before = std::min(at, kHitBytes / 3);
    std::string part = Part(text, at - before, kHitBytes + wanted.size());
    std::replace(part.begin(), part.end(), '\n', ' ');
    shown += fmt::format("byte {}: ...{}...\n", at, part);
  }
  if (hits == 0) return fmt::format("'{}' does not occur in result {}.", words, id);
  return fmt::format("{}[{} places in result {}{}.]", TruncateUtf8(shown, shown_bytes_), hits, id,
                     hits > kMaxHits ? fmt::format(", the first {} shown", kMaxHits) : "");
}

}  // namespace troupe
