#include "tools/base/hash.h"

// The functions of SHA-256 itself, which OpenSSL 3 would rather have called through EVP: that looks
// the algorithm up for every digest, which costs more than the digest of a short text.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <endian.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstring>

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

// The values of hexadecimal digits; over 15 for what is none.
constexpr std::array<uint8_t, 256> DigitValues() {
  std::array<uint8_t, 256> values{};
  for (uint8_t& value : values) value = 255;
  for (uint8_t i = 0; i < 16; ++i) values[static_cast<uint8_t>("0123456789abcdef"[i])] = i;
  return values;
}

uint8_t DigitValue(char digit) {
  static constexpr std::array<uint8_t, 256> kValues = DigitValues();
  return kValues[static_cast<uint8_t>(digit)];
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex(2 * SHA256_DIGEST_LENGTH, '0');
  char* next = hex.data();
  for (unsigned char byte : Digest(bytes)) {
    *next++ = kDigits[byte >> 4];
    *next++ = kDigits[byte & 15];
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

absl::uint128 HashKeyOf(std::string_view half) {
  uint64_t halves[2] = {0, 0};
  std::memcpy(halves, half.data(), std::min(half.size(), sizeof(halves)));
  return absl::MakeUint128(be64toh(halves[0]), be64toh(halves[1]));
}

HashBytes::HashBytes(std::string_view hex) {
  if (hex.size() != 2 * bytes_.size()) return;
  size_ = bytes_.size();
  for (size_t i = 0; i < size_; ++i) {
    bytes_[i] = static_cast<char>(DigitValue(hex[2 * i]) << 4 | DigitValue(hex[2 * i + 1]));
  }
}

HashBytes HashBytes::Of(std::string_view bytes) {
  HashBytes hash;
  if (bytes.size() != hash.bytes_.size()) return hash;
  hash.size_ = bytes.copy(hash.bytes_.data(), bytes.size());
  return hash;
}

uint64_t Sha256Prefix(std::string_view bytes) {
  const auto digest = Digest(bytes);
  uint64_t prefix = 0;
  for (int i = 0; i < 8; ++i) prefix = prefix << 8 | digest[i];
  return prefix;
}

}  // namespace troupe
