#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agents/report/svg.h"
#include "agents/spo/report/figure_parts.h"
#include "agents/spo/report/figures.h"
#include "agents/spo/report/published_costs.h"

namespace troupe {
namespace {

constexpr double kBarLeft = 150;
constexpr double kBarWidth = 560;

void AddRoleBars(SvgCanvas& canvas, const v1::SpoResult& result, double top) {
  const bool priced = TotalCost(result) > 0;
  double most = 1;
  for (const v1::SpoRoleCost& cost : result.costs()) {
    const int64_t tokens = cost.input_tokens() + cost.output_tokens();
    most = std::max(most, static_cast<double>(priced ? cost.cost_microusd() : tokens));
  }
  canvas.Text({20, top}, priced ? "By role, US dollars" : "By role, tokens (no prices are set)",
              {.size = 13, .bold = true});
  double y = top + 14;
  for (const v1::SpoRoleCost& cost : result.costs()) {
    const int64_t tokens = cost.input_tokens() + cost.output_tokens();
    const double width =
        kBarWidth * static_cast<double>(priced ? cost.cost_microusd() : tokens) / most;
    canvas.Text({kBarLeft - 10, y + 15}, cost.role(), {.size = 12, .anchor = SvgAnchor::kEnd}, 20);
    canvas.Rectangle({kBarLeft, y + 2}, std::max(1.0, width), 18, SvgPart::kAccent, 0.85);
    const std::string money = priced ? DollarText(cost.cost_microusd()) + ", " : "";
    const std::string what =
        fmt::format("{}{} calls, {} tokens", money, cost.model_calls(), tokens);
    // Beside a short bar, within a long one.
    if (width < kBarWidth / 2) {
      canvas.Text({kBarLeft + width + 8, y + 15}, what, SmallText(SvgAnchor::kStart));
    } else {
      canvas.Text({kBarLeft + width - 8, y + 15}, what,
                  {.size = 11, .anchor = SvgAnchor::kEnd, .part = SvgPart::kGround});
    }
    y += 26;
  }
}

struct CostBar {
  std::string method;
  double dollars;
  bool ours;
};

std::vector<CostBar> CostBars(const v1::SpoResult& result) {
  std::vector<CostBar> bars;
  bars.reserve(std::size(kPublishedCosts) + 1);
  for (const PublishedCost& published : kPublishedCosts) {
    bars.push_back({std::string(published.method), published.dollars, false});
  }
  const int64_t spent = TotalCost(result);
  if (spent > 0) bars.push_back({"this task", static_cast<double>(spent) * 1e-6, true});
  std::stable_sort(bars.begin(), bars.end(),
                   [](const CostBar& a, const CostBar& b) { return a.dollars > b.dollars; });
  return bars;
}

void AddCostBars(SvgCanvas& canvas, const std::vector<CostBar>& bars, double top) {
  canvas.Text({20, top}, "The whole, beside the paper's figures (US dollars, logarithmic)",
              {.size = 13, .bold = true});
  // Whole powers of ten around all of them.
  double least = 0.1;
  for (const CostBar& bar : bars) least = std::min(least, bar.dollars);
  const double low = std::max(-6.0, std::floor(std::log10(least) - 1e-9));
  const double high = 2;
  const auto x_of = [&](double dollars) {
    const double log = std::clamp(std::log10(dollars), low, high);
    return kBarLeft + kBarWidth * (log - low) / (high - low);
  };
  const double bottom = top + 14 + 24 * static_cast<double>(bars.size());
  for (double power = low; power <= high; ++power) {
    const double dollars = std::pow(10, power);
    canvas.Line({x_of(dollars), top + 12}, {x_of(dollars), bottom}, {.part = SvgPart::kGrid});
    canvas.Text({x_of(dollars), bottom + 15}, fmt::format("${:g}", dollars), SmallText());
  }
  double y = top + 14;
  for (const CostBar& bar : bars) {
    canvas.Text({kBarLeft - 10, y + 14}, bar.method,
                {.size = 12, .anchor = SvgAnchor::kEnd, .bold = bar.ours});
    canvas.Rectangle({kBarLeft, y + 2}, std::max(2.0, x_of(bar.dollars) - kBarLeft), 16,
                     bar.ours ? SvgPart::kAccent : SvgPart::kQuiet, bar.ours ? 0.85 : 0.7);
    canvas.Text({std::max(kBarLeft + 2, x_of(bar.dollars)) + 6, y + 14},
                bar.ours ? DollarText(static_cast<int64_t>(std::llround(bar.dollars * 1e6)))
                         : fmt::format("${:.2f}", bar.dollars),
                {.size = 11, .part = bar.ours ? SvgPart::kInk : SvgPart::kMuted, .bold = bar.ours});
    y += 24;
  }
}

}  // namespace

std::string CostSvg(const v1::SpoResult& result) {
  const std::vector<CostBar> bars = CostBars(result);
  const double roles_bottom = 80 + 14 + 26.0 * result.costs_size();
  const double compared_top = roles_bottom + 30;
  const double bottom = compared_top + 14 + 24 * static_cast<double>(bars.size()) + 36;
  SvgCanvas canvas(kFigureWidth, bottom, "Cost");
  AddHeading(canvas, "Cost",
             fmt::format("{} calls of models{}", TotalCalls(result),
                         TotalCost(result) > 0 ? ", " + DollarText(TotalCost(result)) : ""));
  AddRoleBars(canvas, result, 80);
  AddCostBars(canvas, bars, compared_top);
  return canvas.Finish();
}

}  // namespace troupe
