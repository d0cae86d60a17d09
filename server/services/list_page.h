// One page of a list that is at hand whole.
#pragma once

#include <absl/status/statusor.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/services/page_token.h"
#include "tools/base/status_macros.h"

namespace troupe {

// Calls `add` for the elements of one page of `all` and returns the token of the next, "" behind
// the last. The key counts what came before: where elements come or go between two pages, a reader
// may see one twice or not at all.
template <typename T, typename Add>
absl::StatusOr<std::string> ListPage(const std::vector<T>& all, int size, const std::string& token,
                                     const PageTokens& tokens, const std::string& arguments,
                                     Add add) {
  ASSIGN_OR_RETURN(const int page_size, PageSize(size, 100, 1000));
  ASSIGN_OR_RETURN(const PageKey key, tokens.Read(token, arguments));
  const size_t first = static_cast<size_t>(std::max<int64_t>(0, key.first));
  const size_t end = std::min(all.size(), first + static_cast<size_t>(page_size));
  for (size_t i = first; i < end; ++i) add(all[i]);
  if (end >= all.size()) return "";
  return tokens.Make({static_cast<int64_t>(end), 0}, arguments);
}

}  // namespace troupe
