#include "server/services/page_token.h"

#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <vector>

#include "tools/base/error.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

constexpr size_t kSignatureDigits = 24;

}  // namespace

std::string PageTokens::Sign(const PageKey& key, const std::string& arguments) const {
  const std::string text = fmt::format("{}.{}.{}", key.first, key.second, Sha256Hex(arguments));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  const std::string bytes(reinterpret_cast<char*>(digest), size);
  return absl::BytesToHexString(bytes).substr(0, kSignatureDigits);
}

std::string PageTokens::Make(const PageKey& key, const std::string& arguments) const {
  return absl::WebSafeBase64Escape(
      fmt::format("{}.{}.{}", key.first, key.second, Sign(key, arguments)));
}

absl::StatusOr<PageKey> PageTokens::Read(const std::string& token,
                                         const std::string& arguments) const {
  PageKey key;
  if (token.empty()) return key;
  std::string text;
  std::vector<std::string> parts;
  if (absl::WebSafeBase64Unescape(token, &text)) parts = absl::StrSplit(text, '.');
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &key.first) ||
      !absl::SimpleAtoi(parts[1], &key.second) || parts[2] != Sign(key, arguments)) {
    return Error(Reason::kPageTokenInvalid,
                 "page_token: not a token of this listing; pass next_page_token with the same "
                 "arguments, or none to start over",
                 {{"field", "page_token"}});
  }
  return key;
}

absl::StatusOr<int> PageSize(int size, int normal, int most) {
  if (size < 0) {
    return Error(Reason::kInvalidField, fmt::format("page_size: {} is negative", size),
                 {{"field", "page_size"}});
  }
  return size == 0 ? normal : std::min(size, most);
}

}  // namespace troupe
