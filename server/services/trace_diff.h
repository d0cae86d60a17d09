// Two traces compared span by span. The two runs may have interleaved their branches in other
// orders: spans are the same by their path, which is unique in a task. Stateless.
#pragma once

#include <string>
#include <vector>

#include "agents/runtime/content.h"
#include "agents/runtime/journal.h"
#include "troupe/v1/trace_service.pb.h"

namespace troupe {

// Two spans of one path, or one that has no other.
struct SpanPair {
  const SpanRecord* a = nullptr;  // null: the second trace has it alone
  const SpanRecord* b = nullptr;  // null: the first trace has it alone
  std::vector<v1::SpanDiff::Aspect> aspects;
  std::vector<std::string> attributes;  // keys of those that differ

  const SpanRecord& any() const { return a != nullptr ? *a : *b; }
  bool paired() const { return a != nullptr && b != nullptr; }
  bool differs() const { return !paired() || !aspects.empty(); }
};

struct TraceDiff {
  // In the order in which they began in the first trace; spans of the second alone follow what they
  // followed there.
  std::vector<SpanPair> pairs;
  Usage usage_a;  // of all effects
  Usage usage_b;

  // The first pair that tells what caused the others: the first effect that differs, or else the
  // first span that does; null if none does.
  const SpanPair* First() const;
  // The pair with this path; null if neither trace has it.
  const SpanPair* Find(const std::string& path) const;
};

// `a` and `b` are in order of begin_sequence and outlive the result. Costs time proportional to
// their sizes. `read` tells replies that say the same from those that do not; without it, two calls
// of a model have different results because their backend gave them different ids.
TraceDiff CompareTraces(const std::vector<SpanRecord>& a, const std::vector<SpanRecord>& b,
                        const ReadContentFn& read = nullptr);

}  // namespace troupe
