// SHA-256 of byte strings: the name of everything that is stored by content. Stateless.
#pragma once

#include <absl/numeric/int128.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// The digest of some bytes, or of nothing. A value without memory of its own elsewhere: some are
// made for each effect, and go from thread to thread.
class Hash {
 public:
  static constexpr size_t kBytes = 32;

  Hash() = default;  // of nothing
  // From 64 lower-case hexadecimal digits, or from the bytes as they were stored; of nothing for
  // what is neither.
  static Hash FromHex(std::string_view hex);
  static Hash FromBytes(std::string_view bytes);

  bool empty() const { return size_ == 0; }
  std::string_view bytes() const { return {bytes_.data(), size_}; }
  // 64 lower-case hexadecimal digits; none for nothing.
  std::string hex() const;
  void AppendHex(std::string& out) const;
  // The first 16 bytes, as a key of maps: a number with the first byte as its highest.
  absl::uint128 key() const { return KeyOf(bytes()); }
  // The same of bytes of which no more is known than these.
  static absl::uint128 KeyOf(std::string_view half);

  bool operator==(const Hash&) const = default;

 private:
  std::array<char, kBytes> bytes_{};
  uint8_t size_ = 0;  // kBytes or 0
};

Hash Sha256(std::string_view bytes);

// The same as 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

// The first 8 bytes of the digest, for identifiers and derived random seeds.
uint64_t Sha256Prefix(std::string_view bytes);

}  // namespace troupe
