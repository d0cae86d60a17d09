// The pictures of an SPO report, each an SVG of its own. Stateless functions; what is too much for
// a picture is left out of it and counted below it.
#pragma once

#include <string>
#include <vector>

#include "agents/report/markdown.h"
#include "troupe/v1/spo.pb.h"

namespace troupe {

// Prompts that a matrix has room for.
inline constexpr size_t kMatrixPrompts = 14;

// How often the incumbent's answers are preferred to those of the first prompt, round by round,
// with the 95 % interval and what had been spent by then.
std::string LearningCurveSvg(const v1::SpoResult& result);

// Which prompt won how often against which, the strongest first.
std::string WinMatrixSvg(const v1::SpoResult& result);

// Which prompt was made from which, and what became of it.
std::string LineageSvg(const v1::SpoResult& result);

// What each role cost, and the whole beside what the paper reports.
std::string CostSvg(const v1::SpoResult& result);

// Wins, losses and ties of one prompt against another, over all comparisons.
struct Record {
  int wins = 0;
  int losses = 0;
  int ties = 0;
  int total() const { return wins + losses + ties; }
};
Record RecordOf(const v1::SpoResult& result, int prompt, int other);

// Prompts that were compared, the strongest first; at most `max`, the first and the best among
// them.
std::vector<int> StrongestFirst(const v1::SpoResult& result, size_t max);

int64_t TotalCost(const v1::SpoResult& result);
int64_t TotalCalls(const v1::SpoResult& result);

}  // namespace troupe
