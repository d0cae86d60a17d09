#include "agents/report/layered_layout.h"

#include <algorithm>
#include <limits>

namespace troupe {
namespace {

constexpr int kSweeps = 12;       // over all columns, to order them
constexpr int kAdjustments = 12;  // over all columns, to set heights
constexpr double kPassageHeight = 8;

// What stands in a column: a node, or the passage of an edge to a farther one.
struct Place {
  size_t column = 0;
  double height = kPassageHeight;
  double center = 0;
  std::vector<size_t> before;  // neighbours in the columns next to it
  std::vector<size_t> after;
};

class Layering {
 public:
  Layering(const std::vector<std::pair<double, double>>& sizes,
           const std::vector<std::pair<size_t, size_t>>& edges, const LayeredOptions& options)
      : sizes_(sizes), edges_(edges), options_(options), places_(sizes.size()) {
    for (size_t i = 0; i < sizes.size(); ++i) places_[i].height = sizes[i].second;
  }

  LayeredLayout Make() {
    ChooseColumns();
    LeadEdgesThrough();
    Order();
    SetHeights();
    return Finish();
  }

 private:
  using Neighbours = std::vector<size_t> Place::*;

  // Each node behind all that lead to it; what nothing leads to, just before its first use.
  void ChooseColumns() {
    std::vector<bool> root(places_.size(), true);
    std::vector<size_t> first_use(places_.size(), 0);
    for (size_t node = 0; node < places_.size(); ++node) {
      for (const size_t from : SourcesOf(node)) {
        root[node] = false;
        places_[node].column = std::max(places_[node].column, places_[from].column + 1);
      }
    }
    for (const auto& [from, to] : edges_) {
      if (!root[from]) continue;
      size_t& use = first_use[from];
      use = use == 0 ? places_[to].column : std::min(use, places_[to].column);
    }
    for (size_t node = 0; node < places_.size(); ++node) {
      if (first_use[node] > 0) places_[node].column = first_use[node] - 1;
    }
  }

  const std::vector<size_t>& SourcesOf(size_t node) {
    if (sources_.empty()) {
      sources_.resize(places_.size());
      for (const auto& [from, to] : edges_) sources_[to].push_back(from);
    }
    return sources_[node];
  }

  void LeadEdgesThrough() {
    passages_.resize(edges_.size());
    for (size_t edge = 0; edge < edges_.size(); ++edge) {
      size_t last = edges_[edge].first;
      for (size_t column = places_[last].column + 1; column < places_[edges_[edge].second].column;
           ++column) {
        const size_t passage = places_.size();
        places_.emplace_back();
        places_[passage].column = column;
        passages_[edge].push_back(passage);
        Connect(last, passage);
        last = passage;
      }
      Connect(last, edges_[edge].second);
    }
    for (size_t place = 0; place < places_.size(); ++place) {
      const size_t column = places_[place].column;
      if (column >= columns_.size()) columns_.resize(column + 1);
      columns_[column].push_back(place);
    }
  }

  void Connect(size_t from, size_t to) {
    places_[from].after.push_back(to);
    places_[to].before.push_back(from);
  }

  void Order() {
    rank_.resize(places_.size());
    for (const auto& column : columns_) NoteRanks(column);
    auto best = columns_;
    size_t fewest = Crossings();
    for (int sweep = 0; sweep < kSweeps && fewest > 0; ++sweep) {
      const bool rightward = sweep % 2 == 0;
      for (size_t i = 1; i < columns_.size(); ++i) {
        OrderColumn(columns_[rightward ? i : columns_.size() - 1 - i],
                    rightward ? &Place::before : &Place::after);
      }
      const size_t crossings = Crossings();
      if (crossings >= fewest) continue;
      fewest = crossings;
      best = columns_;
    }
    columns_ = std::move(best);
    for (const auto& column : columns_) NoteRanks(column);
  }

  void NoteRanks(const std::vector<size_t>& column) {
    for (size_t i = 0; i < column.size(); ++i) rank_[column[i]] = i;
  }

  // By the mean rank of the neighbours on one side; what has none there keeps its rank.
  void OrderColumn(std::vector<size_t>& column, Neighbours side) {
    std::vector<std::pair<double, size_t>> keyed;
    keyed.reserve(column.size());
    for (const size_t place : column) {
      const std::vector<size_t>& neighbours = places_[place].*side;
      double sum = 0;
      for (const size_t each : neighbours) sum += static_cast<double>(rank_[each]);
      keyed.emplace_back(neighbours.empty() ? static_cast<double>(rank_[place])
                                            : sum / static_cast<double>(neighbours.size()),
                         place);
    }
    std::stable_sort(keyed.begin(), keyed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < column.size(); ++i) column[i] = keyed[i].second;
    NoteRanks(column);
  }

  // Pairs of edges between columns next to each other that cross, counted as inversions.
  size_t Crossings() const {
    size_t crossings = 0;
    for (size_t i = 0; i + 1 < columns_.size(); ++i) {
      std::vector<size_t> counts(columns_[i + 1].size() + 1);  // a Fenwick tree of ranks
      size_t seen = 0;
      for (const size_t place : columns_[i]) {
        for (const size_t next : places_[place].after) {
          size_t lower = 0;  // edges from before that end at this rank or above it
          for (size_t k = rank_[next] + 1; k > 0; k -= k & (~k + 1)) lower += counts[k];
          crossings += seen - lower;
        }
        for (const size_t next : places_[place].after) {
          ++seen;
          for (size_t k = rank_[next] + 1; k < counts.size(); k += k & (~k + 1)) ++counts[k];
        }
      }
    }
    return crossings;
  }

  void SetHeights() {
    for (const auto& column : columns_) {
      double bottom = 0;
      for (const size_t place : column) {
        places_[place].center = bottom + places_[place].height / 2;
        bottom += places_[place].height + options_.row_gap;
      }
    }
    for (int round = 0; round < kAdjustments; ++round) {
      const bool rightward = round % 2 == 0;
      for (size_t i = 0; i < columns_.size(); ++i) {
        Adjust(columns_[rightward ? i : columns_.size() - 1 - i], round + 2 >= kAdjustments,
               rightward ? &Place::before : &Place::after);
      }
    }
  }

  // Each place as near as can be to the mean of its neighbours without changing the order: least
  // squares under "at least so far apart", by pooling adjacent violators.
  void Adjust(const std::vector<size_t>& column, bool both_sides, Neighbours side) {
    struct Pool {
      double sum = 0;
      double count = 0;
    };
    std::vector<Pool> pools;
    std::vector<double> offsets;
    double offset = 0;
    for (size_t i = 0; i < column.size(); ++i) {
      if (i > 0) offset += Apart(column[i - 1], column[i]);
      offsets.push_back(offset);
      pools.push_back({Wanted(column[i], both_sides, side) - offset, 1});
      while (pools.size() > 1 && MeanOf(pools[pools.size() - 2]) > MeanOf(pools.back())) {
        const Pool last = pools.back();
        pools.pop_back();
        pools.back() = {pools.back().sum + last.sum, pools.back().count + last.count};
      }
    }
    size_t next = 0;
    for (const Pool& pool : pools) {
      for (double i = 0; i < pool.count; ++i, ++next) {
        places_[column[next]].center = MeanOf(pool) + offsets[next];
      }
    }
  }

  template <typename Pool>
  static double MeanOf(const Pool& pool) {
    return pool.sum / pool.count;
  }

  double Apart(size_t upper, size_t lower) const {
    return (places_[upper].height + places_[lower].height) / 2 + options_.row_gap;
  }

  double Wanted(size_t place, bool both_sides, Neighbours side) const {
    double sum = 0;
    size_t count = 0;
    for (const Neighbours each : {&Place::before, &Place::after}) {
      if (!both_sides && each != side) continue;
      for (const size_t neighbour : places_[place].*each) {
        sum += places_[neighbour].center;
        ++count;
      }
    }
    return count == 0 ? places_[place].center : sum / static_cast<double>(count);
  }

  LayeredLayout Finish() {
    LayeredLayout layout;
    std::vector<double> left(columns_.size());
    std::vector<double> widths(columns_.size());
    double top = columns_.empty() ? 0 : std::numeric_limits<double>::max();
    for (size_t i = 0; i < columns_.size(); ++i) {
      for (const size_t place : columns_[i]) {
        if (place < sizes_.size()) widths[i] = std::max(widths[i], sizes_[place].first);
        top = std::min(top, places_[place].center - places_[place].height / 2);
      }
      left[i] = layout.width;
      layout.width += widths[i] + (i + 1 < columns_.size() ? options_.column_gap : 0);
    }
    for (Place& place : places_) {
      place.center -= top;
      layout.height = std::max(layout.height, place.center + place.height / 2);
    }
    layout.corners.reserve(sizes_.size());
    for (size_t i = 0; i < sizes_.size(); ++i) {
      layout.corners.push_back(
          {left[places_[i].column], places_[i].center - places_[i].height / 2});
    }
    layout.routes.reserve(edges_.size());
    for (size_t edge = 0; edge < edges_.size(); ++edge) {
      const auto& [from, to] = edges_[edge];
      std::vector<SvgPoint> route = {
          {layout.corners[from].x + sizes_[from].first, places_[from].center}};
      for (const size_t passage : passages_[edge]) {
        const Place& place = places_[passage];
        route.push_back({left[place.column], place.center});
        route.push_back({left[place.column] + widths[place.column], place.center});
      }
      route.push_back({layout.corners[to].x, places_[to].center});
      layout.routes.push_back(std::move(route));
    }
    return layout;
  }

  const std::vector<std::pair<double, double>>& sizes_;
  const std::vector<std::pair<size_t, size_t>>& edges_;
  const LayeredOptions options_;
  std::vector<Place> places_;  // the nodes, then the passages
  std::vector<std::vector<size_t>> sources_;
  std::vector<std::vector<size_t>> passages_;  // of each edge
  std::vector<std::vector<size_t>> columns_;   // places from top to bottom
  std::vector<size_t> rank_;                   // of each place in its column
};

}  // namespace

LayeredLayout LayOutInLayers(const std::vector<std::pair<double, double>>& sizes,
                             const std::vector<std::pair<size_t, size_t>>& edges,
                             const LayeredOptions& options) {
  return Layering(sizes, edges, options).Make();
}

}  // namespace troupe
