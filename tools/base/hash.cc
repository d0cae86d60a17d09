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

Hash Hash::FromHex(std::string_view hex) {
  Hash hash;
  if (hex.size() != 2 * kBytes) return hash;
  for (size_t i = 0; i < kBytes; ++i) {
    const uint8_t high = DigitValue(hex[2 * i]);
    const uint8_t low = DigitValue(hex[2 * i + 1]);
    if (high > 15 || low > 15) return Hash();
    hash.bytes_[i] = static_cast<char>(high << 4 | low);
  }
  hash.size_ = kBytes;
  return hash;
}

Hash Hash::FromBytes(std::string_view bytes) {
  Hash hash;
  if (bytes.size() == kBytes)
    hash.size_ = static_cast<uint8_t>(bytes.copy(hash.bytes_.data(), kBytes));
  return hash;
}

std::string Hash::hex() const {
  std::string hex;
  AppendHex(hex);
  return hex;
}

void Hash::AppendHex(std::string& out) const {
  constexpr char kDigits[] = "0123456789abcdef";
  const size_t before = out.size();
  out.resize(before + 2 * bytes().size());
  char* next = out.data() + before;
  for (const char byte : bytes()) {
    *next++ = kDigits[static_cast<uint8_t>(byte) >> 4];
    *next++ = kDigits[byte & 15];
  }
}

absl::uint128 Hash::KeyOf(std::string_view half) {
  uint64_t halves[2] = {0, 0};
  std::memcpy(halves, half.data(), std::min(half.size(), sizeof(halves)));
  return absl::MakeUint128(be64toh(halves[0]), be64toh(halves[1]));
}

Hash Sha256(std::string_view bytes) {
  static_assert(SHA256_DIGEST_LENGTH == Hash::kBytes);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest, &context);
  return Hash::FromBytes({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

std::string Sha256Hex(std::string_view bytes) { return Sha256(bytes).hex(); }

uint64_t Sha256Prefix(std::string_view bytes) {
  return static_cast<uint64_t>(Sha256(bytes).key() >> 64);
}

}  // namespace troupe
