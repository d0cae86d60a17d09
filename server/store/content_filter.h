// ContentFilter: tells of most contents that are new that they are, without a look into the store:
// a Bloom filter over the hashes of all that are there. Of fixed size; with very many contents it
// knows fewer and fewer to be new.
//
// Thread-safe. Add comes before the content can be found by others.
#pragma once

#include <absl/numeric/int128.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace troupe {

class ContentFilter {
 public:
  // `key`: half of a hash, whose bits are as good as random.
  void Add(absl::uint128 key) {
    for (const uint64_t bit : BitsOf(key)) {
      words_[bit / 64].fetch_or(uint64_t{1} << bit % 64, std::memory_order_relaxed);
    }
  }

  // False: it was never added.
  bool MayHave(absl::uint128 key) const {
    for (const uint64_t bit : BitsOf(key)) {
      const uint64_t word = words_[bit / 64].load(std::memory_order_relaxed);
      if ((word & uint64_t{1} << bit % 64) == 0) return false;
    }
    return true;
  }

 private:
  // 2 MiB: one of twenty new contents is taken for known where there are two million, and one of
  // two where there are ten.
  static constexpr uint64_t kBits = uint64_t{1} << 24;

  static std::array<uint64_t, 2> BitsOf(absl::uint128 key) {
    return {absl::Uint128Low64(key) % kBits, absl::Uint128High64(key) % kBits};
  }

  std::array<std::atomic<uint64_t>, kBits / 64> words_{};
};

}  // namespace troupe
