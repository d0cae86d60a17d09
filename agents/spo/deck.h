// The order in which the questions of a search are asked. Thread-confined to the task's strand.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "agents/spo/answers.h"

namespace troupe {

// The items in an order that hangs on the seed alone.
std::vector<Item> Shuffled(std::vector<Item> items, uint64_t seed);

// Items dealt out a few at a time in an order of their own, all as often as can be. Nothing is
// dealt twice in a row while there are others.
class Deck {
 public:
  // `items` outlive the deck.
  Deck(const std::vector<Item>* items, uint64_t seed) : items_(items), random_(seed) {}

  // As many as are wanted, or all there are.
  Items Deal(size_t count);

 private:
  const std::vector<Item>* const items_;
  std::mt19937_64 random_;
  std::map<size_t, int> times_;
  std::set<size_t> last_;
};

}  // namespace troupe
