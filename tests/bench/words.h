// Text like a language's: a few words are frequent, most are rare. Thread-confined.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>

namespace troupe::bench {

class Words {
 public:
  static constexpr int kVocabulary = 20'000;

  explicit Words(uint64_t seed) : random_(seed) {}

  std::string Next() {
    const double uniform = std::uniform_real_distribution<double>(0, 1)(random_);
    return Word(static_cast<int>(std::pow(kVocabulary, uniform)));
  }

  // At least `bytes` of them.
  std::string Text(size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += Next() + " ";
    return text;
  }

  // The word of a rank, 1 being the most frequent: syllables, the longer the rarer.
  static std::string Word(int rank) {
    static constexpr char kConsonants[] = "bdfgklmnprstvz";
    static constexpr char kVowels[] = "aeiou";
    std::string word;
    for (int rest = rank; rest > 0; rest /= 70) {
      word += kConsonants[rest % 14];
      word += kVowels[rest / 14 % 5];
    }
    return word;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace troupe::bench
