#include "tools/base/hash.h"

// The functions of SHA-256 itself, which OpenSSL 3 would rather have called through EVP: that looks
// the algorithm up for every digest, which costs more than the digest of a short text.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <array>

namespace troupe {
namespace {

std::array<unsigned char, SHA256_DIGEST_LENGTH> Digest(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

// The value of a hexadecimal digit; over 15 for what is none.
uint8_t DigitValue(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<uint8_t>(digit - 'a' + 10);
  return 255;
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * SHA256_DIGEST_LENGTH);
  for (unsigned char byte : Digest(bytes)) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

absl::uint128 HashKey(std::string_view hex) {
  absl::uint128 key = 0;
  if (hex.size() != 2 * SHA256_DIGEST_LENGTH) return key;
  uint64_t halves[2] = {0, 0};
  for (size_t i = 0; i < 32; ++i) halves[i / 16] = halves[i / 16] << 4 | DigitValue(hex[i]);
  return absl::MakeUint128(halves[0], halves[1]);
}

std::string HashBytes(std::string_view hex) {
  if (hex.size() != 2 * SHA256_DIGEST_LENGTH) return "";
  std::string bytes(SHA256_DIGEST_LENGTH, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(DigitValue(hex[2 * i]) << 4 | DigitValue(hex[2 * i + 1]));
  }
  return bytes;
}

uint64_t Sha256Prefix(std::string_view bytes) {
  const auto digest = Digest(bytes);
  uint64_t prefix = 0;
  for (int i = 0; i < 8; ++i) prefix = prefix << 8 | digest[i];
  return prefix;
}

}  // namespace troupe
