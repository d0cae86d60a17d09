#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "agents/report/svg.h"
#include "agents/spo/report/figure_parts.h"
#include "agents/spo/report/figures.h"

namespace troupe {
namespace {

constexpr size_t kMaxNodes = 80;
constexpr double kLeft = 88;  // of the first round
constexpr double kTop = 92;   // of the first lane
constexpr double kLaneHeight = 40;
constexpr double kBeside = 22;  // from a column's middle, left of its nodes
constexpr double kClear = 19;   // from a node's middle: its rim and half a line

SvgPart FateColor(v1::SpoPrompt::Fate fate) {
  switch (fate) {
    case v1::SpoPrompt::FATE_SEED:
      return SvgPart::kAccent;
    case v1::SpoPrompt::FATE_ACCEPTED:
      return SvgPart::kGood;
    case v1::SpoPrompt::FATE_REJECTED:
      return SvgPart::kBad;
    default:
      return SvgPart::kQuiet;
  }
}

// The best prompt and all that it came from.
std::set<int> LineOfBest(const v1::SpoResult& result) {
  std::set<int> line;
  const v1::SpoPrompt* prompt = PromptNumber(result, result.best());
  while (prompt != nullptr && line.insert(prompt->number()).second) {
    prompt = PromptNumber(result, prompt->parent());
  }
  return line;
}

// Those that the picture has room for: of too many, the accepted ones first.
std::vector<const v1::SpoPrompt*> ShownPrompts(const v1::SpoResult& result) {
  std::vector<const v1::SpoPrompt*> shown;
  for (const v1::SpoPrompt& prompt : result.prompts()) {
    if (WasAccepted(prompt) && shown.size() < kMaxNodes) shown.push_back(&prompt);
  }
  for (const v1::SpoPrompt& prompt : result.prompts()) {
    if (!WasAccepted(prompt) && shown.size() < kMaxNodes) shown.push_back(&prompt);
  }
  return shown;
}

struct Node {
  const v1::SpoPrompt* prompt;
  int column;
  int lane;
};

// Columns are rounds. In each, what was accepted is above what was not, so that the line of those
// that won runs along the top.
std::vector<Node> PlaceNodes(std::vector<const v1::SpoPrompt*> shown) {
  std::sort(shown.begin(), shown.end(), [](const v1::SpoPrompt* a, const v1::SpoPrompt* b) {
    if (a->round() != b->round()) return a->round() < b->round();
    if (WasAccepted(*a) != WasAccepted(*b)) return WasAccepted(*a);
    return a->number() < b->number();
  });
  std::vector<Node> nodes;
  int column = -1;
  int lane = 0;
  int round = -1;
  for (const v1::SpoPrompt* prompt : shown) {
    if (prompt->round() != round) {
      round = prompt->round();
      ++column;
      lane = 0;
    }
    nodes.push_back({prompt, column, lane++});
  }
  return nodes;
}

double NodeY(double lane) { return kTop + kLaneHeight * lane; }

// The height at which a line that wants to pass a column at `y` goes through it without touching a
// node: between two lanes, if there is one in the way.
double FreeHeight(const std::vector<Node>& nodes, int column, double y) {
  const bool blocked = std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    return node.column == column && std::abs(NodeY(node.lane) - y) < kClear;
  });
  if (!blocked) return y;
  const double lane = std::round((y - kTop) / kLaneHeight);
  // Upwards where the line comes from above: below the lane as a rule, where round numbers are not.
  return y < NodeY(lane) ? NodeY(lane - 0.5) : NodeY(lane + 0.5);
}

// From one node to another, around those between them.
std::vector<SvgPoint> RouteOf(const std::vector<Node>& nodes, const Node& from, const Node& to,
                              double step) {
  const auto x = [&](int column) { return kLeft + step * column; };
  std::vector<SvgPoint> route = {{x(from.column), NodeY(from.lane)}};
  // What was joined at the end of a round may be made from what was written in it.
  if (from.column == to.column && std::abs(from.lane - to.lane) > 1) {
    const double beside = x(from.column) - kBeside;
    const double down = from.lane < to.lane ? 0.5 : -0.5;
    route.push_back({beside, NodeY(from.lane + down)});
    route.push_back({beside, NodeY(to.lane - down)});
  }
  for (int column = from.column + 1; column < to.column; ++column) {
    const double part = static_cast<double>(column - from.column) / (to.column - from.column);
    const double straight = NodeY(from.lane) + part * (NodeY(to.lane) - NodeY(from.lane));
    route.push_back({x(column), FreeHeight(nodes, column, straight)});
  }
  route.push_back({x(to.column), NodeY(to.lane)});
  return route;
}

void AddLegend(SvgCanvas& canvas, double y) {
  struct Entry {
    SvgPart part;
    const char* what;
    bool hollow;
  };
  double x = 28;
  for (const Entry& entry :
       {Entry{SvgPart::kAccent, "first", false}, Entry{SvgPart::kGood, "accepted", false},
        Entry{SvgPart::kBad, "rejected", true}, Entry{SvgPart::kQuiet, "not tried", true}}) {
    canvas.Circle({x, y - 4}, 6, entry.hollow ? SvgPart::kGround : entry.part,
                  {.part = entry.part, .width = 2});
    canvas.Text({x + 12, y}, entry.what, SmallText(SvgAnchor::kStart));
    x += 100;
  }
  canvas.Line({x - 6, y - 4}, {x + 14, y - 4}, {.part = SvgPart::kGood, .width = 3});
  canvas.Text({x + 22, y}, "how the best prompt came about", SmallText(SvgAnchor::kStart));
}

}  // namespace

std::string LineageSvg(const v1::SpoResult& result) {
  const std::vector<Node> nodes = PlaceNodes(ShownPrompts(result));
  int columns = 1;
  int lanes = 1;
  for (const Node& node : nodes) {
    columns = std::max(columns, node.column + 1);
    lanes = std::max(lanes, node.lane + 1);
  }
  const double step =
      std::clamp((kFigureWidth - kLeft - 60) / std::max(1, columns - 1), 44.0, 120.0);
  const double width = std::max(kFigureWidth, kLeft + 60 + step * (columns - 1));
  const auto at = [&](const Node& node) {
    return SvgPoint{kLeft + step * node.column, NodeY(node.lane)};
  };
  const double bottom = NodeY(lanes - 1) + 30;
  SvgCanvas canvas(width, bottom + 54, "Lineage of the prompts");
  AddHeading(canvas, "Lineage", "Which prompt was made from which, by round");
  std::map<int, const Node*> by_number;
  for (const Node& node : nodes) by_number[node.prompt->number()] = &node;
  const std::set<int> line = LineOfBest(result);
  for (const Node& node : nodes) {
    const auto parent = by_number.find(node.prompt->parent());
    if (parent == by_number.end()) continue;
    const bool best = line.contains(node.prompt->number());
    canvas.Curves(RouteOf(nodes, *parent->second, node, step),
                  {.part = best ? SvgPart::kGood : SvgPart::kGrid, .width = best ? 3.0 : 1.2});
  }
  int labelled = -1;
  for (const Node& node : nodes) {
    const bool accepted = WasAccepted(*node.prompt);
    const SvgPart color = FateColor(node.prompt->fate());
    canvas.Circle(at(node), 13, accepted ? color : SvgPart::kGround,
                  {.part = color, .width = 2, .dashed = color == SvgPart::kQuiet},
                  node.prompt->modification());
    canvas.Text({at(node).x, at(node).y + 4}, fmt::format("{}", node.prompt->number()),
                {.size = node.prompt->number() > 99 ? 9.0 : 11.0,
                 .anchor = SvgAnchor::kMiddle,
                 .part = accepted ? SvgPart::kGround : SvgPart::kInk,
                 .bold = true});
    if (node.prompt->number() == result.best()) {
      canvas.Circle(at(node), 17, SvgPart::kGround, {.part = SvgPart::kGood, .width = 2});
      canvas.Circle(at(node), 13, color, {.part = color, .width = 2}, node.prompt->modification());
      canvas.Text(
          {at(node).x, at(node).y + 4}, fmt::format("{}", node.prompt->number()),
          {.size = 11, .anchor = SvgAnchor::kMiddle, .part = SvgPart::kGround, .bold = true});
    }
    if (node.column == labelled) continue;
    labelled = node.column;
    canvas.Text({at(node).x, kTop - 24}, fmt::format("{}", node.prompt->round()), SmallText());
  }
  canvas.Text({20, kTop - 24}, "round", SmallText(SvgAnchor::kStart));
  const int left_out = result.prompts_size() - static_cast<int>(nodes.size());
  AddLegend(canvas, bottom + 22);
  if (left_out > 0) {
    canvas.Text({28, bottom + 42},
                fmt::format("{} prompts that were not accepted are left out", left_out),
                SmallText(SvgAnchor::kStart));
  }
  return canvas.Finish();
}

}  // namespace troupe
