// SHA-256 of byte strings: the name of everything that is stored by content. Stateless.
#pragma once

#include <absl/numeric/int128.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

// The first half of a digest in hexadecimal, as a key for sets; 0 for what is none.
absl::uint128 HashKey(std::string_view hex);

// The 32 bytes of a digest in hexadecimal; empty for what is none.
std::string HashBytes(std::string_view hex);

// The first 8 bytes of the digest, for identifiers and derived random seeds.
uint64_t Sha256Prefix(std::string_view bytes);

}  // namespace troupe
