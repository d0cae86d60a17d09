// Page tokens: where a listing goes on, opaque to clients and bound to the listing's arguments.
// Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace troupe {

// Where the next page starts: a keyset, newest or best first.
struct PageKey {
  int64_t first = 0;
  int64_t second = 0;
};

class PageTokens {
 public:
  // `secret` signs the tokens; it is the same after a restart.
  explicit PageTokens(std::string secret) : secret_(std::move(secret)) {}

  // `arguments` are those that must be the same on every page.
  std::string Make(const PageKey& key, const std::string& arguments) const;
  // 0, 0 for an empty token; kPageTokenInvalid for one that is not this listing's.
  absl::StatusOr<PageKey> Read(const std::string& token, const std::string& arguments) const;

 private:
  std::string Sign(const PageKey& key, const std::string& arguments) const;
  const std::string secret_;
};

// `size` or what stands for it: `normal` for 0, `most` for more; kInvalidField if negative.
absl::StatusOr<int> PageSize(int size, int normal, int most);

}  // namespace troupe
