#include "agents/spo/deck.h"

#include <algorithm>
#include <tuple>

namespace troupe {
std::vector<Item> Shuffled(std::vector<Item> items, uint64_t seed) {
  std::mt19937_64 random(seed);
  // std::shuffle differs between libraries.
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random() % i]);
  return items;
}

Items Deck::Deal(size_t count) {
  // Those that were not dealt last, then those that were dealt least often, then by chance.
  std::vector<std::tuple<bool, int, uint64_t, size_t>> order;
  order.reserve(items_->size());
  for (size_t i = 0; i < items_->size(); ++i) {
    order.emplace_back(last_.contains(i), times_[i], random_(), i);
  }
  std::sort(order.begin(), order.end());
  order.resize(std::min(count, order.size()));
  last_.clear();
  Items dealt;
  dealt.reserve(order.size());
  for (const auto& [again, times, chance, index] : order) {
    last_.insert(index);
    ++times_[index];
    dealt.push_back(&(*items_)[index]);
  }
  return dealt;
}

}  // namespace troupe
