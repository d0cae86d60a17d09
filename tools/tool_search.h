// Search among tools: which of many fit some words best, by BM25 over their names, briefs and
// descriptions. The same tools and words give the same order. Stateless.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct SearchedTool {
  std::string name;
  std::string brief;
  std::string description;
};

// Places in `tools` of those that share words with `query`, the best first, at most `limit`.
// kInternal if the index cannot be made.
absl::StatusOr<std::vector<size_t>> SearchTools(const std::vector<SearchedTool>& tools,
                                                std::string_view query, size_t limit);

}  // namespace troupe
