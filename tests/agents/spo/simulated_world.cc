#include "tests/agents/spo/simulated_world.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

namespace troupe {
namespace {

constexpr double kSecondTrait = 0.3;
constexpr double kHeeds = 0.8;
constexpr double kOwnErrors = 0.5;
constexpr double kErrsMoreInRankings = 0.05;
constexpr std::array<double, 4> kHardness = {-1.2, -0.4, 0.4, 1.2};
constexpr double kTypicalLogit = 0.3;  // of a prompt in the middle: a bit more right than wrong

uint64_t Mixed(uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

double Unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

uint64_t HashOf(const std::string& words) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : words) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

int NumberBehind(const std::string& text, const std::string& word) {
  int number = 0;
  const size_t at = text.find(word);
  if (at != std::string::npos) number = std::atoi(text.c_str() + at + word.size());
  return number;
}

// The sum of what a sheet of answers says of their merit. Only the simulated judge reads this.
double MeritIn(const std::string& sheet) {
  double merit = 0;
  for (size_t at = sheet.find("merit "); at != std::string::npos;
       at = sheet.find("merit ", at + 1)) {
    merit += std::atof(sheet.c_str() + at + 6);
  }
  return merit;
}

}  // namespace

SimulatedWorld::SimulatedWorld(const Landscape& landscape, uint64_t seed, int64_t budget)
    : landscape_(landscape), seed_(seed), budget_(budget) {
  MakeLandscape();
  std::vector<double> ordered = quality_;
  std::sort(ordered.begin(), ordered.end());
  top_ = ordered[kPrompts * 95 / 100];
  const double low = ordered[kPrompts / 10];
  const double high = ordered[kPrompts / 2];
  do first_ = static_cast<size_t>(Next() * kPrompts);
  while (quality_[first_] < low || quality_[first_] > high);
}

void SimulatedWorld::MakeLandscape() {
  std::mt19937_64 random(Mixed(seed_ + 1));
  std::normal_distribution<double> normal;
  std::array<std::array<double, kKinds>, kTraits> traits;
  for (auto& trait : traits) {
    const double everywhere = landscape_.everywhere * normal(random);
    for (double& kind : trait) kind = everywhere + landscape_.by_kind * normal(random);
  }
  struct Pair {
    size_t one, other;
    double effect;
  };
  std::vector<Pair> pairs;
  while (pairs.size() < kTraits) {
    const size_t one = random() % kTraits;
    const size_t other = random() % kTraits;
    if (one != other) pairs.push_back({one, other, landscape_.in_pairs * normal(random)});
  }
  effect_.assign(kPrompts, {});
  double mean = 0;
  for (size_t prompt = 0; prompt < kPrompts; ++prompt) {
    double together = 0;
    for (const Pair& pair : pairs) {
      if ((prompt >> pair.one & 1) != 0 && (prompt >> pair.other & 1) != 0) together += pair.effect;
    }
    for (size_t kind = 0; kind < kKinds; ++kind) {
      double& effect = effect_[prompt][kind] = together;
      for (size_t trait = 0; trait < kTraits; ++trait) {
        if ((prompt >> trait & 1) != 0) effect += traits[trait][kind];
      }
      mean += effect / (kPrompts * kKinds);
    }
  }
  quality_.assign(kPrompts, 0);
  for (size_t prompt = 0; prompt < kPrompts; ++prompt) {
    for (double& effect : effect_[prompt]) {
      effect += kTypicalLogit - mean;
      if (!landscape_.closed) quality_[prompt] += effect / kKinds;
      if (!landscape_.closed) continue;
      for (const double hardness : kHardness) {
        quality_[prompt] += Logistic(effect - hardness) / (kKinds * kHardness.size());
      }
    }
  }
}

std::string SimulatedWorld::TextOf(size_t traits) {
  std::string text = "Traits:";
  for (size_t trait = 0; trait < kTraits; ++trait) {
    if ((traits >> trait & 1) != 0) text += fmt::format(" {}", trait);
  }
  return text;
}

size_t SimulatedWorld::TraitsOf(const std::string& prompt) {
  size_t traits = 0;
  const std::vector<std::string> words = absl::StrSplit(prompt, ' ');
  for (const std::string& word : words) {
    size_t trait = 0;
    if (absl::SimpleAtoi(word, &trait)) traits |= size_t{1} << trait;
  }
  return traits;
}

std::string SimulatedWorld::ChangeOf(size_t from, size_t to) {
  std::string change;
  for (size_t trait = 0; trait < kTraits; ++trait) {
    if (((from ^ to) >> trait & 1) == 0) continue;
    change += fmt::format("{}{} {}", change.empty() ? "" : "; ",
                          (to >> trait & 1) != 0 ? "add" : "drop", trait);
  }
  return change;
}

size_t SimulatedWorld::Changed(size_t traits, const std::string& change) {
  const std::vector<std::string> parts = absl::StrSplit(change, "; ", absl::SkipEmpty());
  for (const std::string& part : parts) {
    const std::vector<std::string> words = absl::StrSplit(part, ' ');
    size_t trait = 0;
    if (words.size() != 2 || !absl::SimpleAtoi(words[1], &trait)) continue;
    const size_t bit = size_t{1} << trait;
    traits = words[0] == "add" ? traits | bit : traits & ~bit;
  }
  return traits;
}

size_t SimulatedWorld::Without(size_t traits, const std::string& change) {
  return Changed(traits, absl::StrReplaceAll(change, {{"add", "drop"}, {"drop", "add"}}));
}

double SimulatedWorld::Chance(const std::string& words) const {
  return Unit(Mixed(Mixed(seed_ + 2) ^ HashOf(words)));
}

double SimulatedWorld::Normal(const std::string& words) const {
  const double radius = std::sqrt(-2 * std::log(1 - Chance(words + " radius")));
  return radius * std::cos(2 * std::numbers::pi * Chance(words + " angle"));
}

double SimulatedWorld::Next() const { return Unit(Mixed(Mixed(seed_ + 3) + ++draws_)); }

std::vector<Item> SimulatedWorld::Questions(int from, int count) const {
  std::vector<Item> items;
  for (int i = 0; i < count; ++i) {
    Item item;
    item.number = from + i;
    item.question = fmt::format("question {}", from + i);
    items.push_back(std::move(item));
  }
  return items;
}

double SimulatedWorld::MeritOf(size_t traits, int question) const {
  const auto kind = static_cast<size_t>(Chance(fmt::format("kind of {}", question)) * kKinds);
  const std::string both = fmt::format("{} answers {}", traits, question);
  const double effect = effect_[traits][kind];
  if (!landscape_.closed) return effect + landscape_.accident * Normal(both);
  const auto hard =
      static_cast<size_t>(Chance(fmt::format("hardness of {}", question)) * kHardness.size());
  return Chance(both) < Logistic(effect - kHardness[hard]) ? 1 : 0;
}

size_t SimulatedWorld::ChangedAtRandom(size_t traits) const {
  const auto one = static_cast<size_t>(Next() * kTraits);
  traits ^= size_t{1} << one;
  if (Next() < kSecondTrait) {
    const size_t other = (one + 1 + static_cast<size_t>(Next() * (kTraits - 1))) % kTraits;
    traits ^= size_t{1} << other;
  }
  return traits;
}

Async<std::vector<Proposal>> SimulatedWorld::Propose(const Scope&, std::string,
                                                     ProposalRequest request) const {
  ++calls_;
  const size_t from = TraitsOf(request.prompt);
  std::set<std::string> failed;
  for (const Attempt& failure : request.failures) failed.insert(failure.modification);
  std::vector<Proposal> proposals;
  std::set<size_t> given = {from};
  const auto propose = [&](size_t to) {
    if (!given.insert(to).second) return false;
    proposals.push_back({TextOf(to), "", ChangeOf(from, to), 0});
    return true;
  };
  for (size_t i = 0; i < request.joins.size(); ++i) {
    size_t to = from;
    for (const Attempt& change : request.joins[i].add) to = Changed(to, change.modification);
    for (const Attempt& change : request.joins[i].take_out) to = Without(to, change.modification);
    if (propose(to)) proposals.back().join = i + 1;
  }
  const size_t wanted = proposals.size() + static_cast<size_t>(request.number);
  while (proposals.size() < wanted) {
    const size_t to = ChangedAtRandom(from);
    if (failed.contains(ChangeOf(from, to)) && Next() < kHeeds) continue;
    propose(to);
  }
  co_return proposals;
}

Async<TargetAnswer> SimulatedWorld::Run(const Scope&, Item item, PromptUnderTest prompt) const {
  ++calls_;
  const size_t traits = TraitsOf(prompt.text);
  const double merit = MeritOf(traits, NumberBehind(item.question, "question "));
  // No two prompts answer in the same words.
  co_return TargetAnswer{fmt::format("In the words of {}: merit {}", traits, merit), Usage()};
}

bool SimulatedWorld::LikesFirst(const std::string& first, const std::string& second) const {
  const double one = MeritIn(first);
  const double other = MeritIn(second);
  if (one == other) return Next() < 0.5;
  const auto& [low, high] = std::minmax(first, second);
  const double error = Next() < kOwnErrors ? Next() : Chance("misled by " + low + high);
  return (one > other) != (error < landscape_.judge_error);
}

Async<Opinion> SimulatedWorld::Prefer(const Scope&, std::string, Matter, std::string first,
                                      std::string second) const {
  ++calls_;
  const bool biased = Next() < landscape_.position_bias;
  co_return Opinion{biased || LikesFirst(first, second) ? Liking::kFirst : Liking::kSecond, ""};
}

Async<RankingOpinion> SimulatedWorld::Rank(const Scope&, std::string, Matter,
                                           std::vector<std::string> texts) const {
  ++calls_;
  RankingOpinion opinion;
  opinion.order.resize(texts.size());
  std::iota(opinion.order.begin(), opinion.order.end(), 0);
  if (Next() < landscape_.position_bias) co_return opinion;
  std::vector<double> wins(texts.size(), 0);
  for (size_t i = 0; i < texts.size(); ++i) {
    wins[i] += Next() / 2;
    for (size_t j = i + 1; j < texts.size(); ++j) {
      const bool likes_first = LikesFirst(texts[i], texts[j]) != (Next() < kErrsMoreInRankings);
      wins[likes_first ? i : j] += 1;
    }
  }
  std::sort(opinion.order.begin(), opinion.order.end(),
            [&wins](size_t one, size_t other) { return wins[one] > wins[other]; });
  co_return opinion;
}

}  // namespace troupe
