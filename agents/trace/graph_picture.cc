#include "agents/trace/graph_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "agents/report/layered_layout.h"
#include "agents/report/svg.h"
#include "agents/runtime/text.h"
#include "agents/trace/problem_text.h"

namespace troupe {
namespace {

constexpr size_t kMostLetters = 30;
constexpr size_t kShownBytes = 2000;
constexpr size_t kMostVariables = 64;  // a bit of a word each
constexpr double kBoxHeight = 40;
constexpr double kLetterWidth = 6.6;
constexpr double kMargin = 20;
constexpr double kHeading = 66;
constexpr double kFooting = 40;

enum class BoxRole { kVariable, kInput, kOther, kOutput, kFeedback };

struct PictureBox {
  BoxRole role = BoxRole::kOther;
  std::string name;
  std::string value;
  std::string tip;
  bool failed = false;

  double width() const {
    // Names are bold, and so wider.
    const auto shown = [](const std::string& text) {
      return static_cast<double>(std::clamp<size_t>(text.size(), 8, kMostLetters + 1));
    };
    return kLetterWidth * std::max(1.2 * shown(name), shown(value)) + 16;
  }
};

enum class EdgeRole { kPlain, kFeedback, kThroughOthers };

class PictureMaker {
 public:
  PictureMaker(const Problem& problem, const GraphPictureOptions& options)
      : problem_(problem), graph_(*problem.graph), options_(options) {}

  std::string Make(std::string_view title) {
    Choose();
    AddBoxes();
    AddEdges();
    AddFeedback();
    return Draw(title);
  }

 private:
  struct Candidate {
    const ProblemValue* value;
    BoxRole role;
  };

  std::vector<Candidate> All() const {
    std::vector<Candidate> all;
    const auto add = [&all](const std::vector<ProblemValue>& values, BoxRole role) {
      for (const ProblemValue& each : values) all.push_back({&each, role});
    };
    add(problem_.variables, BoxRole::kVariable);
    add(problem_.inputs, BoxRole::kInput);
    add(problem_.others, BoxRole::kOther);
    add(problem_.outputs, BoxRole::kOutput);
    return all;
  }

  // What is drawn: what is nearest to the outputs, and variables before all.
  void Choose() {
    std::vector<Candidate> all = All();
    total_ = all.size();
    std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
      return a.value->distance < b.value->distance;
    });
    const size_t variables =
        total_ <= options_.most_nodes ? total_ : std::min(options_.most_nodes / 3, kMostVariables);
    for (const Candidate& each : all) {
      if (each.role == BoxRole::kVariable && chosen_.size() < variables) {
        chosen_.emplace(each.value->node, each);
      }
    }
    for (const Candidate& each : all) {
      if (chosen_.size() >= options_.most_nodes) break;
      chosen_.emplace(each.value->node, each);
    }
  }

  void AddBoxes() {
    for (const auto& [id, each] : chosen_) {
      const Graph::Node& node = graph_.node(id);
      PictureBox box;
      box.role = each.role;
      box.failed = node.error.has_value();
      box.name = each.value->name;
      const bool made = each.role == BoxRole::kOther || each.role == BoxRole::kOutput;
      const std::string operation(node.operation);
      if (made && !box.name.starts_with(operation)) box.name += " = " + operation;
      const std::string shown = ShownValue(each.value->value, kShownBytes);
      box.value = fmt::format("({}) {}", each.value->is_code() ? "code" : each.value->type, shown);
      box.tip = fmt::format("{} {}", node.name, box.value);
      if (!each.value->constraint.empty()) box.tip += "\n" + each.value->constraint;
      place_[id] = boxes_.size();
      boxes_.push_back(std::move(box));
    }
  }

  // The operations, in the order in which they were done.
  std::vector<NodeId> Made() const {
    std::vector<NodeId> made;
    made.reserve(problem_.code.size());
    for (const CodeLine& line : problem_.code) made.push_back(line.node);
    std::sort(made.begin(), made.end());
    return made;
  }

  void AddEdges() {
    std::map<NodeId, uint64_t> bit;  // of the variables that are drawn
    for (const auto& [id, each] : chosen_) {
      if (each.role == BoxRole::kVariable && bit.size() < kMostVariables) {
        bit.emplace(id, uint64_t{1} << bit.size());
      }
    }
    std::set<NodeId> varies;              // what a variable leads to
    std::map<NodeId, uint64_t> left_out;  // the variables that lead to it by others left out
    for (const ProblemValue& each : problem_.variables) varies.insert(each.node);
    for (const NodeId id : Made()) {
      const bool drawn = chosen_.contains(id);
      uint64_t through = 0;
      const auto take = [&](NodeId input) {
        if (varies.contains(input)) varies.insert(id);
        const auto known = left_out.find(input);
        if (known != left_out.end()) through |= known->second;
        if (!chosen_.contains(input)) return;
        if (drawn) {
          AddEdge(input, id, varies.contains(input) ? EdgeRole::kFeedback : EdgeRole::kPlain);
        } else if (const auto variable = bit.find(input); variable != bit.end()) {
          through |= variable->second;
        }
      };
      for (const GraphInput& input : graph_.inputs(id)) take(input.node);
      for (const NodeId used : graph_.hidden_dependencies(id)) take(used);
      if (!drawn) {
        left_out[id] = through;
        continue;
      }
      for (const auto& [variable, mask] : bit) {
        if ((through & mask) != 0) AddEdge(variable, id, EdgeRole::kThroughOthers);
      }
    }
  }

  void AddEdge(NodeId from, NodeId to, EdgeRole kind) {
    if (edges_.size() >= options_.most_edges) return;
    const std::pair<size_t, size_t> edge(place_.at(from), place_.at(to));
    // A box is drawn behind those that lead to it: ids are in topological order, and so are places.
    if (!known_.insert(edge).second) return;
    edges_.push_back(edge);
    kinds_.push_back(kind);
  }

  void AddFeedback() {
    for (const OutputFeedback& each : problem_.output_feedback) {
      const auto output = place_.find(each.output);
      if (output == place_.end()) continue;
      PictureBox box;
      box.role = BoxRole::kFeedback;
      box.name = "feedback";
      box.value = box.tip = Elide(each.feedback, kShownBytes);
      edges_.emplace_back(output->second, boxes_.size());
      kinds_.push_back(EdgeRole::kFeedback);
      boxes_.push_back(std::move(box));
    }
  }

  std::string Draw(std::string_view title) const {
    std::vector<std::pair<double, double>> sizes;
    sizes.reserve(boxes_.size());
    for (const PictureBox& box : boxes_) sizes.emplace_back(box.width(), kBoxHeight);
    const LayeredLayout layout = LayOutInLayers(sizes, edges_);
    SvgCanvas canvas(std::max(kFigureWidth, layout.width + 2 * kMargin),
                     layout.height + kHeading + kFooting, title);
    AddHeading(canvas, title, Subtitle());
    const auto moved = [](SvgPoint point) {
      return SvgPoint{point.x + kMargin, point.y + kHeading};
    };
    for (size_t i = 0; i < edges_.size(); ++i) {
      std::vector<SvgPoint> route = layout.routes[i];
      for (SvgPoint& point : route) point = moved(point);
      const bool feedback = kinds_[i] != EdgeRole::kPlain;
      canvas.Curves(route, {.part = feedback ? SvgPart::kAccent : SvgPart::kQuiet,
                            .width = feedback ? 1.8 : 1.2,
                            .dashed = kinds_[i] == EdgeRole::kThroughOthers});
    }
    for (size_t i = 0; i < boxes_.size(); ++i) DrawBox(canvas, boxes_[i], moved(layout.corners[i]));
    canvas.Text(
        {kMargin, layout.height + kHeading + kFooting - 14},
        "blue: what may be changed, and the way of the feedback back to it; red: what failed; "
        "green: what is thought of an output",
        SmallText(SvgAnchor::kStart));
    return canvas.Finish();
  }

  static void DrawBox(SvgCanvas& canvas, const PictureBox& box, SvgPoint corner) {
    SvgPart part = SvgPart::kQuiet;
    if (box.role == BoxRole::kVariable) part = SvgPart::kAccent;
    if (box.role == BoxRole::kOutput) part = SvgPart::kInk;
    if (box.role == BoxRole::kFeedback) part = SvgPart::kGood;
    if (box.failed) part = SvgPart::kBad;
    const bool input = box.role == BoxRole::kInput;
    canvas.Box(corner, box.width(), kBoxHeight, SvgPart::kGround, 1, {.part = SvgPart::kGround},
               "");
    canvas.Box(corner, box.width(), kBoxHeight, part, 0.1,
               {.part = part, .width = 1.4, .dashed = input}, box.tip);
    canvas.Text({corner.x + 8, corner.y + 16}, box.name, {.size = 12, .bold = true}, kMostLetters);
    canvas.Text({corner.x + 8, corner.y + 31}, box.value, {.size = 11, .part = SvgPart::kMuted},
                kMostLetters);
  }

  std::string Subtitle() const {
    if (chosen_.size() == total_) {
      return fmt::format("{} values and {} operations, from left to right", total_,
                         problem_.code.size());
    }
    return fmt::format(
        "{} of {} values: what is nearest to the outputs; dashed where others lie "
        "between",
        chosen_.size(), total_);
  }

  const Problem& problem_;
  const Graph& graph_;
  const GraphPictureOptions options_;
  size_t total_ = 0;
  std::map<NodeId, Candidate> chosen_;
  std::map<NodeId, size_t> place_;  // of a node among the boxes
  std::vector<PictureBox> boxes_;
  std::vector<std::pair<size_t, size_t>> edges_;
  std::vector<EdgeRole> kinds_;
  std::set<std::pair<size_t, size_t>> known_;
};

}  // namespace

std::string GraphPictureSvg(const Problem& problem, std::string_view title,
                            const GraphPictureOptions& options) {
  return PictureMaker(problem, options).Make(title);
}

}  // namespace troupe
