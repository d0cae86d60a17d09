// SHA-256 of byte strings: the name of everything that is stored by content. Stateless.
#pragma once

#include <absl/numeric/int128.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

// The first half of a digest in hexadecimal, as a key for sets; 0 for what is none.
absl::uint128 HashKey(std::string_view hex);

// The same of the half itself: the first 16 bytes, a number with the first byte as its highest.
absl::uint128 HashKeyOf(std::string_view half);

// The 32 bytes of a digest that is given in hexadecimal; empty for what is none. A value without
// memory of its own elsewhere: one is made for each hash that is written to a store.
class HashBytes {
 public:
  HashBytes() = default;
  explicit HashBytes(std::string_view hex);
  // Bytes as they were stored.
  static HashBytes Of(std::string_view bytes);
  std::string_view view() const { return {bytes_.data(), size_}; }
  absl::uint128 key() const { return HashKeyOf({bytes_.data(), 16}); }  // as HashKey
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)
  bool operator==(const HashBytes&) const = default;

 private:
  std::array<char, 32> bytes_{};
  size_t size_ = 0;  // 32 or 0
};

// The first 8 bytes of the digest, for identifiers and derived random seeds.
uint64_t Sha256Prefix(std::string_view bytes);

}  // namespace troupe
