#include "agents/trace/trainers/novelty.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace troupe {
namespace {

constexpr size_t kVector = 1024;
constexpr size_t kGram = 3;

// FNV-1a, the same on every machine.
uint64_t HashOf(std::string_view text) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  return hash;
}

double NumberDistance(double a, double b) {
  const double larger = std::max(std::abs(a), std::abs(b));
  return larger == 0 ? 0 : std::min(1.0, std::abs(a - b) / larger);
}

double DistanceOf(const Json& a, const Json& b) {
  if (a == b) return 0;
  if (a.is_number() && b.is_number()) return NumberDistance(a.get<double>(), b.get<double>());
  const std::vector<float> left = TextVector(a.is_string() ? a.get<std::string>() : DumpJson(a));
  const std::vector<float> right = TextVector(b.is_string() ? b.get<std::string>() : DumpJson(b));
  double sum = 0;
  for (size_t i = 0; i < kVector; ++i) {
    const double difference = left[i] - right[i];
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

}  // namespace

std::vector<float> TextVector(std::string_view text) {
  std::vector<float> vector(kVector);
  for (size_t i = 0; i < text.size(); ++i) {
    vector[HashOf(text.substr(i, kGram)) % kVector] += 1;
  }
  double sum = 0;
  for (const float each : vector) sum += static_cast<double>(each) * each;
  if (sum == 0) return vector;
  const auto length = static_cast<float>(std::sqrt(sum));
  for (float& each : vector) each /= length;
  return vector;
}

double ValuesDistance(const Json& a, const Json& b) {
  double sum = 0;
  for (const auto& [name, value] : a.items()) {
    const double distance = DistanceOf(value, JsonMember(b, name));
    sum += distance * distance;
  }
  return std::sqrt(sum);
}

}  // namespace troupe
