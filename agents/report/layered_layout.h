// A layered layout of a directed graph without cycles, after Sugiyama, Tagawa and Toda (1981):
// nodes stand in columns so that every edge goes from left to right, those of a column in an order
// in which few edges cross (barycenters), at heights near those of their neighbours (least
// squares). Stateless; the same graph is always laid out alike.
#pragma once

#include <utility>
#include <vector>

#include "agents/report/svg.h"

namespace troupe {

struct LayeredOptions {
  double column_gap = 64;
  double row_gap = 16;
};

struct LayeredLayout {
  double width = 0;
  double height = 0;
  std::vector<SvgPoint> corners;  // of the nodes, upper left
  // Of the edges, from the middle of one node's right side to the middle of the other's left side,
  // with two points in each column that it goes through.
  std::vector<std::vector<SvgPoint>> routes;
};

// `sizes` are the nodes' widths and heights. An edge goes from a node to one that comes later.
// Takes time in proportion to the edges times the columns that they go through.
LayeredLayout LayOutInLayers(const std::vector<std::pair<double, double>>& sizes,
                             const std::vector<std::pair<size_t, size_t>>& edges,
                             const LayeredOptions& options = {});

}  // namespace troupe
