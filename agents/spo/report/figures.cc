#include "agents/spo/report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agents/report/svg.h"
#include "agents/spo/report/figure_parts.h"

namespace troupe {
namespace {

constexpr int kMaxRoundLabels = 20;

// A rectangle on the canvas in which data is drawn.
struct Frame {
  double left;
  double top;
  double width;
  double height;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

// --- learning curve ---

double RoundX(const Frame& frame, int index, int count) {
  if (count <= 1) return frame.left + frame.width / 2;
  return frame.left + 24 + (frame.width - 48) * index / (count - 1);
}

double RateY(const Frame& frame, double rate) {
  return frame.bottom() - frame.height * std::clamp(rate, 0.0, 1.0);
}

void AddRateAxis(SvgCanvas& canvas, const Frame& frame) {
  for (int percent = 0; percent <= 100; percent += 25) {
    const double y = RateY(frame, percent / 100.0);
    canvas.Line(
        {frame.left, y}, {frame.right(), y},
        {.part = percent == 50 ? SvgPart::kMuted : SvgPart::kGrid, .dashed = percent == 50});
    canvas.Text({frame.left - 8, y + 4}, fmt::format("{} %", percent), SmallText(SvgAnchor::kEnd));
  }
  canvas.Text({frame.right(), RateY(frame, 0.5) - 6}, "as good as the first prompt",
              SmallText(SvgAnchor::kEnd));
  canvas.Text({24, frame.top + frame.height / 2}, "preferred to the first prompt",
              {.size = 12, .anchor = SvgAnchor::kMiddle, .part = SvgPart::kMuted, .turned = -90});
}

void AddRoundAxis(SvgCanvas& canvas, const Frame& frame, const v1::SpoResult& result) {
  const int count = result.rounds_size();
  const int step = std::max(1, (count + kMaxRoundLabels - 1) / kMaxRoundLabels);
  const bool priced = TotalCost(result) > 0;
  canvas.Line({frame.left, frame.bottom()}, {frame.right(), frame.bottom()},
              {.part = SvgPart::kMuted});
  for (int i = 0; i < count; i += step) {
    const v1::SpoRound& round = result.rounds(i);
    const double x = RoundX(frame, i, count);
    canvas.Line({x, frame.bottom()}, {x, frame.bottom() + 4}, {.part = SvgPart::kMuted});
    canvas.Text({x, frame.bottom() + 18}, fmt::format("{}", round.round()), SmallText());
    canvas.Text({x, frame.bottom() + 33}, fmt::format("{}", round.model_calls()), SmallText());
    if (priced)
      canvas.Text({x, frame.bottom() + 48}, DollarText(round.cost_microusd()), SmallText());
  }
  canvas.Text({frame.left - 8, frame.bottom() + 18}, "round", SmallText(SvgAnchor::kEnd));
  canvas.Text({frame.left - 8, frame.bottom() + 33}, "calls", SmallText(SvgAnchor::kEnd));
  if (priced)
    canvas.Text({frame.left - 8, frame.bottom() + 48}, "spent", SmallText(SvgAnchor::kEnd));
}

void AddCurve(SvgCanvas& canvas, const Frame& frame, const v1::SpoResult& result) {
  const int count = result.rounds_size();
  std::vector<SvgPoint> line;
  std::vector<SvgPoint> band;
  for (int i = 0; i < count; ++i) {
    line.push_back({RoundX(frame, i, count), RateY(frame, result.rounds(i).win_rate())});
    band.push_back({line.back().x, RateY(frame, result.rounds(i).win_rate_high())});
  }
  for (int i = count; i-- > 0;) {
    band.push_back({RoundX(frame, i, count), RateY(frame, result.rounds(i).win_rate_low())});
  }
  if (count > 1) canvas.Area(band, SvgPart::kAccent, 0.16);
  canvas.Polyline(line, {.part = SvgPart::kAccent, .width = 2});
  int incumbent = 0;
  for (int i = 0; i < count; ++i) {
    const v1::SpoRound& round = result.rounds(i);
    const bool changed = round.incumbent() != incumbent;
    incumbent = round.incumbent();
    const SvgPoint at = line[static_cast<size_t>(i)];
    canvas.Circle(at, changed ? 5 : 3.5, changed ? SvgPart::kAccent : SvgPart::kGround,
                  {.part = SvgPart::kAccent, .width = 1.5},
                  fmt::format("round {}: P{}, {:.0f} % ({:.0f} to {:.0f} %)", round.round(),
                              round.incumbent(), 100 * round.win_rate(), 100 * round.win_rate_low(),
                              100 * round.win_rate_high()));
    if (changed) {
      canvas.Text({at.x, at.y - 10}, fmt::format("P{}", incumbent),
                  {.size = 12, .anchor = SvgAnchor::kMiddle, .bold = true});
    }
  }
}

// --- win matrix ---

void AddCell(SvgCanvas& canvas, SvgPoint corner, double size, const Record& record) {
  if (record.total() == 0) {
    canvas.Rectangle(corner, size - 3, size - 3, SvgPart::kGrid, 0.35);
    return;
  }
  const double share = (record.wins + 0.5 * record.ties) / record.total();
  const double strength = std::abs(share - 0.5) * 2;
  const SvgPart part = share == 0.5  ? SvgPart::kQuiet
                       : share > 0.5 ? SvgPart::kGood
                                     : SvgPart::kBad;
  canvas.Rectangle(corner, size - 3, size - 3, part, share == 0.5 ? 0.4 : 0.15 + 0.45 * strength);
  const double middle = corner.x + (size - 3) / 2;
  canvas.Text({middle, corner.y + size / 2 + (record.ties > 0 ? -2 : 3)},
              fmt::format("{}–{}", record.wins, record.losses),
              {.size = 12, .anchor = SvgAnchor::kMiddle, .bold = true});
  if (record.ties > 0) {
    canvas.Text({middle, corner.y + size / 2 + 12},
                fmt::format("{} tie{}", record.ties, record.ties == 1 ? "" : "s"),
                {.size = 9, .anchor = SvgAnchor::kMiddle});
  }
}

}  // namespace

std::string LearningCurveSvg(const v1::SpoResult& result) {
  const Frame frame{112, 72, kFigureWidth - 112 - 28, 230};
  SvgCanvas canvas(kFigureWidth, frame.bottom() + (TotalCost(result) > 0 ? 64 : 48),
                   "Learning curve");
  AddHeading(canvas, "Learning curve",
             "How often the incumbent's answers are preferred to those of the first prompt, with "
             "the 95 % interval");
  AddRateAxis(canvas, frame);
  AddRoundAxis(canvas, frame, result);
  AddCurve(canvas, frame, result);
  return canvas.Finish();
}

std::string WinMatrixSvg(const v1::SpoResult& result) {
  const std::vector<int> order = StrongestFirst(result, kMatrixPrompts);
  const double size = order.size() <= 8 ? 64 : 50;
  const double left = 112;
  const double top = 92;
  const double side = size * static_cast<double>(order.size());
  SvgCanvas canvas(std::max(460.0, left + side + 24), top + side + 40, "Win matrix");
  AddHeading(canvas, "Win matrix", "Comparisons that the row won and lost against the column");
  for (size_t i = 0; i < order.size(); ++i) {
    const double along = size * (static_cast<double>(i) + 0.5);
    canvas.Text({left - 10, top + along + 3}, PromptLabel(result, order[i]),
                {.size = 12, .anchor = SvgAnchor::kEnd, .bold = order[i] == result.best()});
    canvas.Text({left + along - 1, top - 8}, fmt::format("P{}", order[i]),
                {.size = 12, .anchor = SvgAnchor::kMiddle, .bold = order[i] == result.best()});
    for (size_t j = 0; j < order.size(); ++j) {
      if (i == j) continue;
      const SvgPoint corner = {left + size * static_cast<double>(j),
                               top + size * static_cast<double>(i)};
      AddCell(canvas, corner, size, RecordOf(result, order[i], order[j]));
    }
  }
  const int left_out = result.strengths_size() - static_cast<int>(order.size());
  canvas.Text({20, top + side + 22},
              left_out > 0
                  ? fmt::format("The strongest first; {} weaker ones are left out", left_out)
                  : "The strongest first; an empty cell: never compared",
              SmallText(SvgAnchor::kStart));
  return canvas.Finish();
}

}  // namespace troupe
