// A picture of how a score went up step by step, with its interval. Stateless functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct ScorePoint {
  int step = 0;
  double score = 0;  // 0 to 1
  double low = 0;
  double high = 0;
  int leader = 0;     // number of the candidate whose score it is
  std::string below;  // shown below the step: "120 runs"
};

std::string ScoreCurveSvg(std::string_view title, std::string_view subtitle,
                          const std::vector<ScorePoint>& points);

}  // namespace troupe
