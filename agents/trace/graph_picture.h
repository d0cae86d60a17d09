// A picture of what an optimizer is shown: the operations from left to right with their values,
// what may be changed, and the way that the feedback goes back to it. As SVG. Stateless functions.
#pragma once

#include <string>
#include <string_view>

#include "agents/trace/problem.h"

namespace troupe {

// What the picture's file is called among a task's artifacts.
inline constexpr char kGraphPictureFile[] = "graph.svg";

struct GraphPictureOptions {
  // Boxes and lines at most. Of a larger program those nearest to the outputs are drawn and as many
  // of the variables as a third of the boxes; a dashed line leads from these to where what was left
  // out comes in again.
  size_t most_nodes = 120;
  size_t most_edges = 600;
};

// `title` and all values are untrusted: they are shortened, and escaped.
std::string GraphPictureSvg(const Problem& problem, std::string_view title,
                            const GraphPictureOptions& options = {});

}  // namespace troupe
