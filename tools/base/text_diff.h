// Two texts, or two JSON values, side by side for people: where they begin to differ, as a unified
// diff of bounded size. Stateless functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

// JSON laid out for reading and for comparing line by line: one member a line, indented, a text of
// several lines as a block of its own lines, a text that is JSON itself (as structured replies are)
// laid out alike.
//
//   messages:
//     - parts:
//         - text: |
//             You plan.
//             Answer in JSON.
//       role: "user"
std::string ReadableJson(const Json& value);

struct DiffLayout {
  int context = 3;         // equal lines shown around a change
  int max_lines = 60;      // of the excerpt; what follows is counted
  size_t max_width = 160;  // bytes of a line; of a longer one the part that differs is shown
};

// "" if the texts are equal. Otherwise, from the first line that differs on:
//
//   --- {before_label}
//   +++ {after_label}
//   @@ -12,5 +12,5 @@
//    the line before
//   -the old line
//   +the new line
std::string UnifiedDiff(std::string_view before, std::string_view after,
                        std::string_view before_label, std::string_view after_label,
                        const DiffLayout& layout = {});

struct DiffLine {
  char mark;  // ' ' in both, '-' in the old text, '+' in the new one
  std::string text;
};

// One piece of a difference: changes, with equal lines around them.
struct DiffHunk {
  size_t before_line = 0;  // number of its first line in the old text, from 1
  size_t before_count = 0;
  size_t after_line = 0;  // and in the new one
  size_t after_count = 0;
  std::vector<DiffLine> lines;
};

// The whole difference as data; empty if the lines are the same.
std::vector<DiffHunk> DiffHunks(std::string_view before, std::string_view after, int context = 3);

// And as text, whatever its size.
std::string WholeUnifiedDiff(std::string_view before, std::string_view after,
                             std::string_view before_label, std::string_view after_label);

// The same as UnifiedDiff of two values as ReadableJson lays them out.
std::string UnifiedJsonDiff(const Json& before, const Json& after, std::string_view before_label,
                            std::string_view after_label, const DiffLayout& layout = {});

}  // namespace troupe
