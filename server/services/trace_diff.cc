#include "server/services/trace_diff.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>

namespace troupe {
namespace {

using v1::SpanDiff;

// Where a span comes from, and who served it how fast, is no difference in what it is.
bool TellsOrigin(const std::string& key) {
  return key == kInheritedFrom || key == kRequestDiffers || key == kServed;
}

// Keys whose values differ, or that one alone has.
std::vector<std::string> DifferingKeys(const Json& a, const Json& b) {
  std::vector<std::string> keys;
  if (a == b) return keys;
  for (const auto& [key, value] : a.items()) {
    if (!TellsOrigin(key) && (!b.contains(key) || b[key] != value)) keys.push_back(key);
  }
  for (const auto& [key, value] : b.items()) {
    if (!TellsOrigin(key) && !a.contains(key)) keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

bool SameResult(const SpanRecord& a, const SpanRecord& b, const ReadContentFn& read) {
  if (a.result_hash == b.result_hash) return true;
  if (read == nullptr || a.kind != SpanKind::kModelCall || b.kind != SpanKind::kModelCall ||
      a.result_hash.empty() || b.result_hash.empty()) {
    return false;
  }
  const auto replied_a = LoadWhatWasReplied(a.result_hash, ReadOf(a, read));
  const auto replied_b = LoadWhatWasReplied(b.result_hash, ReadOf(b, read));
  return replied_a.ok() && replied_b.ok() && *replied_a == *replied_b;
}

void Compare(SpanPair& pair, const ReadContentFn& read) {
  const SpanRecord& a = *pair.a;
  const SpanRecord& b = *pair.b;
  const auto note = [&pair](bool differs, SpanDiff::Aspect aspect) {
    if (differs) pair.aspects.push_back(aspect);
  };
  note(a.kind != b.kind || a.tool != b.tool, SpanDiff::ASPECT_KIND);
  note(a.request_hash != b.request_hash, SpanDiff::ASPECT_REQUEST);
  note(!SameResult(a, b, read), SpanDiff::ASPECT_RESULT);
  note(a.state != b.state || a.error != b.error, SpanDiff::ASPECT_STATE);
  pair.attributes = DifferingKeys(a.attributes, b.attributes);
  note(!pair.attributes.empty(), SpanDiff::ASPECT_ATTRIBUTES);
  note(a.model != b.model, SpanDiff::ASPECT_MODEL);
  // What an inner span used is the sum of what is below it, where the difference shows.
  if (!IsEffect(a.kind) || !IsEffect(b.kind)) return;
  note(a.usage.input_tokens != b.usage.input_tokens ||
           a.usage.output_tokens != b.usage.output_tokens,
       SpanDiff::ASPECT_TOKENS);
  note(a.usage.cost_microusd != b.usage.cost_microusd, SpanDiff::ASPECT_COST);
}

// Where a pair stands in the order of the result.
struct Place {
  int64_t in_a = 0;     // the beginning in the first trace of the span, or of what it follows
  bool only_b = false;  // behind the span of the first trace that it follows
  int64_t in_b = 0;

  bool operator<(const Place& other) const {
    return std::tie(in_a, only_b, in_b) < std::tie(other.in_a, other.only_b, other.in_b);
  }
};

}  // namespace

const SpanPair* TraceDiff::First() const {
  const SpanPair* first = nullptr;
  for (const SpanPair& pair : pairs) {
    if (!pair.differs()) continue;
    if (IsEffect(pair.any().kind)) return &pair;
    if (first == nullptr) first = &pair;
  }
  return first;
}

const SpanPair* TraceDiff::Find(const std::string& path) const {
  const auto found = std::find_if(pairs.begin(), pairs.end(),
                                  [&](const SpanPair& pair) { return pair.any().path == path; });
  return found == pairs.end() ? nullptr : &*found;
}

TraceDiff CompareTraces(const std::vector<SpanRecord>& a, const std::vector<SpanRecord>& b,
                        const ReadContentFn& read) {
  TraceDiff diff;
  absl::flat_hash_map<absl::string_view, const SpanRecord*> by_path;
  by_path.reserve(a.size());
  for (const SpanRecord& span : a) {
    by_path.emplace(span.path, &span);
    if (IsEffect(span.kind)) diff.usage_a += span.usage;
  }
  std::vector<std::pair<Place, SpanPair>> placed;
  placed.reserve(std::max(a.size(), b.size()));
  int64_t follows = 0;
  for (const SpanRecord& span : b) {
    if (IsEffect(span.kind)) diff.usage_b += span.usage;
    const auto found = by_path.find(span.path);
    SpanPair pair;
    pair.b = &span;
    if (found == by_path.end()) {
      placed.emplace_back(Place{follows, true, span.begin_sequence}, std::move(pair));
      continue;
    }
    pair.a = found->second;
    by_path.erase(found);
    Compare(pair, read);
    follows = std::max(follows, pair.a->begin_sequence);
    placed.emplace_back(Place{pair.a->begin_sequence, false, 0}, std::move(pair));
  }
  for (const auto& [path, span] : by_path) {
    SpanPair pair;
    pair.a = span;
    placed.emplace_back(Place{span->begin_sequence, false, 0}, std::move(pair));
  }
  std::sort(placed.begin(), placed.end(),
            [](const auto& x, const auto& y) { return x.first < y.first; });
  diff.pairs.reserve(placed.size());
  for (auto& [place, pair] : placed) diff.pairs.push_back(std::move(pair));
  return diff;
}

}  // namespace troupe
