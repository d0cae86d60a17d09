#include "tools/base/text_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace troupe {
namespace {

// Lines beyond this many are not aligned one by one: they count as all changed.
constexpr size_t kMaxAligned = 600;
// A line cut to its differing part keeps this much of what is before it.
constexpr size_t kLeadWidth = 40;

using Lines = std::vector<std::string_view>;

Lines SplitLines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool IsInsideCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// One line of the result.
struct Edit {
  char mark;  // ' ', '-' or '+'
  std::string_view line;
  std::string_view other;  // the line that a changed one is compared with; may be empty
};

// The lines that both have, by the longest common subsequence.
std::vector<Edit> Align(const Lines& before, const Lines& after) {
  const size_t rows = std::min(before.size(), kMaxAligned);
  const size_t columns = std::min(after.size(), kMaxAligned);
  std::vector<uint16_t> common((rows + 1) * (columns + 1), 0);
  const auto at = [&](size_t i, size_t j) -> uint16_t& { return common[i * (columns + 1) + j]; };
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      at(i, j) = before[i] == after[j] ? static_cast<uint16_t>(at(i + 1, j + 1) + 1)
                                       : std::max(at(i + 1, j), at(i, j + 1));
    }
  }
  std::vector<Edit> edits;
  size_t i = 0;
  size_t j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && before[i] == after[j]) {
      edits.push_back({' ', before[i], ""});
      ++i, ++j;
    } else if (j == columns || (i < rows && at(i + 1, j) >= at(i, j + 1))) {
      edits.push_back({'-', before[i++], ""});
    } else {
      edits.push_back({'+', after[j++], ""});
    }
  }
  for (; i < before.size(); ++i) edits.push_back({'-', before[i], ""});
  for (; j < after.size(); ++j) edits.push_back({'+', after[j], ""});
  return edits;
}

// Within each run of changes, pairs the first line taken away with the first added, and so on.
void PairChanges(std::vector<Edit>& edits) {
  for (size_t begin = 0; begin < edits.size();) {
    if (edits[begin].mark == ' ') {
      ++begin;
      continue;
    }
    size_t end = begin;
    std::vector<Edit*> removed;
    std::vector<Edit*> added;
    for (; end < edits.size() && edits[end].mark != ' '; ++end) {
      (edits[end].mark == '-' ? removed : added).push_back(&edits[end]);
    }
    for (size_t k = 0; k < std::min(removed.size(), added.size()); ++k) {
      removed[k]->other = added[k]->line;
      added[k]->other = removed[k]->line;
    }
    // What was taken away is read before what came in its place.
    std::stable_sort(edits.begin() + static_cast<std::ptrdiff_t>(begin),
                     edits.begin() + static_cast<std::ptrdiff_t>(end),
                     [](const Edit& a, const Edit& b) { return a.mark == '-' && b.mark == '+'; });
    begin = end;
  }
}

// A long line cut to the part where it differs from its counterpart.
std::string Shown(const Edit& edit, size_t width) {
  const std::string_view line = edit.line;
  if (line.size() <= width) return std::string(line);
  size_t same = 0;
  while (same < line.size() && same < edit.other.size() && line[same] == edit.other[same]) ++same;
  if (edit.mark == ' ' || edit.other.empty()) same = 0;
  size_t begin = same > kLeadWidth ? same - kLeadWidth : 0;
  if (begin + width > line.size()) begin = line.size() - width;
  size_t end = begin + width;
  while (begin > 0 && IsInsideCharacter(line[begin])) --begin;
  while (end < line.size() && IsInsideCharacter(line[end])) ++end;
  return fmt::format("{}{}{}", begin > 0 ? "..." : "", line.substr(begin, end - begin),
                     end < line.size() ? "..." : "");
}

// Runs of edits to show: the changes with `context` equal lines around them.
struct Hunk {
  size_t begin;
  size_t end;
};

std::vector<Hunk> Hunks(const std::vector<Edit>& edits, size_t context) {
  std::vector<Hunk> hunks;
  for (size_t i = 0; i < edits.size(); ++i) {
    if (edits[i].mark == ' ') continue;
    const size_t begin = i > context ? i - context : 0;
    const size_t end = std::min(i + context + 1, edits.size());
    if (!hunks.empty() && begin <= hunks.back().end) {
      hunks.back().end = end;
    } else {
      hunks.push_back({begin, end});
    }
  }
  return hunks;
}

// The numbers of a hunk's first line in both texts, and how many lines of each it has.
DiffHunk NumbersOf(const std::vector<Edit>& edits, const Hunk& hunk, size_t first_line) {
  DiffHunk numbers;
  numbers.before_line = numbers.after_line = first_line;
  for (size_t i = 0; i < hunk.end; ++i) {
    const bool inside = i >= hunk.begin;
    if (edits[i].mark != '+') ++(inside ? numbers.before_count : numbers.before_line);
    if (edits[i].mark != '-') ++(inside ? numbers.after_count : numbers.after_line);
  }
  return numbers;
}

std::string HunkHead(const DiffHunk& numbers) {
  return fmt::format("@@ -{},{} +{},{} @@\n", numbers.before_line, numbers.before_count,
                     numbers.after_line, numbers.after_count);
}

// Two texts from just before the first line that differs to just behind the last.
struct Aligned {
  std::vector<Edit> edits;
  size_t first_line = 1;  // of the first edit, in both
};

Aligned AlignTexts(std::string_view before, std::string_view after, size_t context) {
  Lines old_lines = SplitLines(before);
  Lines new_lines = SplitLines(after);
  size_t same = 0;
  while (same < old_lines.size() && same < new_lines.size() && old_lines[same] == new_lines[same]) {
    ++same;
  }
  const size_t skipped = same > context ? same - context : 0;
  size_t tail = 0;
  while (tail + same < old_lines.size() && tail + same < new_lines.size() &&
         old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail]) {
    ++tail;
  }
  const size_t cut = tail > context ? tail - context : 0;
  for (Lines* lines : {&old_lines, &new_lines}) {
    lines->resize(lines->size() - cut);
    lines->erase(lines->begin(), lines->begin() + static_cast<std::ptrdiff_t>(skipped));
  }
  Aligned aligned{Align(old_lines, new_lines), skipped + 1};
  PairChanges(aligned.edits);
  return aligned;
}

void AddReadable(const Json& value, const std::string& indent, std::string& text);

void AddText(const std::string& value, const std::string& indent, std::string& text) {
  if (value.starts_with('{') || value.starts_with('[')) {
    const auto parsed = ParseJson(value, "text");
    if (parsed.ok() && parsed->is_structured() && !parsed->empty()) {
      text += " (JSON)\n";
      AddReadable(*parsed, indent + "  ", text);
      return;
    }
  }
  if (value.find('\n') == std::string::npos) {
    text += " " + DumpJson(value) + "\n";
    return;
  }
  // As in YAML, the mark says whether the last line ends with a line break.
  text += value.back() == '\n' ? " |\n" : " |-\n";
  for (const std::string_view line : SplitLines(value)) {
    text += fmt::format("{}  {}\n", indent, line);
  }
}

// What follows "key:", or "-" before a plain value, on the line.
void AddAfterMark(const Json& value, const std::string& indent, std::string& text) {
  if (value.is_string()) {
    AddText(value.get_ref<const std::string&>(), indent, text);
  } else if (value.is_structured() && !value.empty()) {
    text += "\n";
    AddReadable(value, indent + "  ", text);
  } else {
    text += " " + DumpJson(value) + "\n";
  }
}

void AddReadable(const Json& value, const std::string& indent, std::string& text) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      text += fmt::format("{}{}:", indent, key);
      AddAfterMark(member, indent, text);
    }
    return;
  }
  for (const Json& element : value) {
    if (element.is_structured() && !element.empty()) {
      std::string nested;
      AddReadable(element, indent + "  ", nested);
      text += indent + "- " + nested.substr(indent.size() + 2);
    } else {
      text += indent + "-";
      AddAfterMark(element, indent, text);
    }
  }
}

}  // namespace

std::string ReadableJson(const Json& value) {
  std::string text;
  if (value.is_structured() && !value.empty()) {
    AddReadable(value, "", text);
  } else if (value.is_string() &&
             value.get_ref<const std::string&>().find('\n') != std::string::npos) {
    text = value.get<std::string>() + "\n";
  } else {
    text = DumpJson(value) + "\n";
  }
  return text;
}

std::string UnifiedDiff(std::string_view before, std::string_view after,
                        std::string_view before_label, std::string_view after_label,
                        const DiffLayout& layout) {
  if (before == after) return "";
  const size_t context = static_cast<size_t>(std::max(layout.context, 0));
  const Aligned aligned = AlignTexts(before, after, context);
  const std::vector<Edit>& edits = aligned.edits;
  std::string text = fmt::format("--- {}\n+++ {}\n", before_label, after_label);
  int left = layout.max_lines;
  size_t hidden = 0;
  for (const Hunk& hunk : Hunks(edits, context)) {
    if (left > 0) text += HunkHead(NumbersOf(edits, hunk, aligned.first_line));
    for (size_t i = hunk.begin; i < hunk.end; ++i) {
      if (left-- > 0) {
        text += fmt::format("{}{}\n", edits[i].mark, Shown(edits[i], layout.max_width));
      } else if (edits[i].mark != ' ') {
        ++hidden;
      }
    }
  }
  if (hidden > 0) text += fmt::format("... {} more lines differ\n", hidden);
  return text;
}

std::vector<DiffHunk> DiffHunks(std::string_view before, std::string_view after, int context) {
  const size_t around = static_cast<size_t>(std::max(context, 0));
  const Aligned aligned = AlignTexts(before, after, around);
  std::vector<DiffHunk> hunks;
  for (const Hunk& hunk : Hunks(aligned.edits, around)) {
    DiffHunk numbered = NumbersOf(aligned.edits, hunk, aligned.first_line);
    for (size_t i = hunk.begin; i < hunk.end; ++i) {
      numbered.lines.push_back({aligned.edits[i].mark, std::string(aligned.edits[i].line)});
    }
    hunks.push_back(std::move(numbered));
  }
  return hunks;
}

std::string WholeUnifiedDiff(std::string_view before, std::string_view after,
                             std::string_view before_label, std::string_view after_label) {
  return UnifiedDiff(before, after, before_label, after_label,
                     {.context = 3,
                      .max_lines = std::numeric_limits<int>::max(),
                      .max_width = std::numeric_limits<size_t>::max()});
}

std::string UnifiedJsonDiff(const Json& before, const Json& after, std::string_view before_label,
                            std::string_view after_label, const DiffLayout& layout) {
  return UnifiedDiff(ReadableJson(before), ReadableJson(after), before_label, after_label, layout);
}

}  // namespace troupe
