#include "agents/report/score_curve.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/report/svg.h"

namespace troupe {
namespace {

constexpr size_t kMostLabels = 20;
constexpr double kLeft = 84;
constexpr double kTop = 72;
constexpr double kHeight = 230;

double StepX(size_t index, size_t count) {
  const double width = kFigureWidth - kLeft - 28;
  if (count <= 1) return kLeft + width / 2;
  return kLeft + 24 + (width - 48) * static_cast<double>(index) / static_cast<double>(count - 1);
}

double ScoreY(double score) { return kTop + kHeight * (1 - std::clamp(score, 0.0, 1.0)); }

void AddAxes(SvgCanvas& canvas, const std::vector<ScorePoint>& points) {
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const double y = ScoreY(quarter / 4.0);
    canvas.Line({kLeft, y}, {kFigureWidth - 28, y},
                {.part = quarter == 0 ? SvgPart::kMuted : SvgPart::kGrid});
    canvas.Text({kLeft - 8, y + 4}, fmt::format("{:.2f}", quarter / 4.0),
                SmallText(SvgAnchor::kEnd));
  }
  const size_t stride = std::max<size_t>(1, (points.size() + kMostLabels - 1) / kMostLabels);
  for (size_t i = 0; i < points.size(); i += stride) {
    const double x = StepX(i, points.size());
    canvas.Text({x, kTop + kHeight + 18}, fmt::format("{}", points[i].step), SmallText());
    canvas.Text({x, kTop + kHeight + 33}, points[i].below, SmallText());
  }
  canvas.Text({kLeft - 8, kTop + kHeight + 18}, "step", SmallText(SvgAnchor::kEnd));
}

}  // namespace

std::string ScoreCurveSvg(std::string_view title, std::string_view subtitle,
                          const std::vector<ScorePoint>& points) {
  SvgCanvas canvas(kFigureWidth, kTop + kHeight + 48, title);
  AddHeading(canvas, title, subtitle);
  AddAxes(canvas, points);
  std::vector<SvgPoint> line;
  std::vector<SvgPoint> band;
  for (size_t i = 0; i < points.size(); ++i) {
    line.push_back({StepX(i, points.size()), ScoreY(points[i].score)});
    band.push_back({line.back().x, ScoreY(points[i].high)});
  }
  for (size_t i = points.size(); i-- > 0;) {
    band.push_back({StepX(i, points.size()), ScoreY(points[i].low)});
  }
  if (points.size() > 1) canvas.Area(band, SvgPart::kAccent, 0.16);
  canvas.Polyline(line, {.part = SvgPart::kAccent, .width = 2});
  int leader = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const ScorePoint& point = points[i];
    const bool changed = point.leader != leader;
    leader = point.leader;
    canvas.Circle(line[i], changed ? 5 : 3.5, changed ? SvgPart::kAccent : SvgPart::kGround,
                  {.part = SvgPart::kAccent, .width = 1.5},
                  fmt::format("step {}: candidate {}, {:.3f} ({:.3f} to {:.3f})", point.step,
                              point.leader, point.score, point.low, point.high));
    if (changed) {
      canvas.Text({line[i].x, line[i].y - 10}, fmt::format("{}", leader),
                  {.size = 12, .anchor = SvgAnchor::kMiddle, .bold = true});
    }
  }
  return canvas.Finish();
}

}  // namespace troupe
