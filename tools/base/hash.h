// SHA-256 of byte strings: the name of everything that is stored by content. Stateless.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

// The first 8 bytes of the digest, for identifiers and derived random seeds.
uint64_t Sha256Prefix(std::string_view bytes);

}  // namespace troupe
