#include "tests/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>

#include "tools/base/json.h"

namespace troupe::bench {
namespace {

// A goal of none lost has no ratio: it is met or not.
bool HasRatio(const Figure& figure) { return figure.goal > 0 && figure.value > 0; }

// Below 1 where the goal is met, whichever way it is set.
double AgainstGoal(const Figure& figure) {
  return figure.goal_is_most ? figure.value / figure.goal : figure.goal / figure.value;
}

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return escaped;
}

std::string GoalText(const Figure& figure) {
  if (figure.goal == kNoGoal) return "";
  return fmt::format("{} {:.4g}", figure.goal_is_most ? "<=" : ">=", figure.goal);
}

}  // namespace

bool Figure::met() const {
  if (goal == kNoGoal) return true;
  return goal_is_most ? value <= goal : value >= goal;
}

void Report::Add(Figure figure) {
  std::cerr << fmt::format("{}: {:.4g} {}\n", figure.title, figure.value, figure.unit);
  figures_.push_back(std::move(figure));
}

void Report::Print() const {
  std::cout << fmt::format("\n{:<74} {:>10} {:<7} {:>9} {:>9}\n", "", "measured", "", "goal",
                           "x floor");
  for (const Figure& figure : figures_) {
    const std::string floor =
        figure.floor > 0 ? fmt::format("{:.2f}", figure.value / figure.floor) : "";
    std::cout << fmt::format("{:<74} {:>10.4g} {:<7} {:>9} {:>9} {}\n", figure.title, figure.value,
                             figure.unit, GoalText(figure), floor, figure.met() ? "" : "MISSED");
  }
}

void Report::WriteJson(const std::string& file) const {
  Json rows = Json::array();
  for (const Figure& figure : figures_) {
    Json row = {{"name", figure.name},
                {"title", figure.title},
                {"value", figure.value},
                {"unit", figure.unit},
                {"met", figure.met()}};
    if (figure.goal != kNoGoal) {
      row["goal"] = figure.goal;
      row["goal_is"] = figure.goal_is_most ? "at most" : "at least";
    }
    if (figure.floor > 0) {
      row["floor"] = figure.floor;
      row["ratio_to_floor"] = figure.value / figure.floor;
    }
    rows.push_back(std::move(row));
  }
  std::ofstream(file) << PrettyJson({{"figures", rows}}) << "\n";
}

void Report::WriteSvg(const std::string& file) const {
  constexpr int kRow = 26;
  constexpr int kText = 560;
  constexpr int kBars = 360;
  const double kDecades = 2;  // shown on each side of the goal
  const auto x_of = [kDecades](double ratio) {
    const double decades = std::clamp(std::log10(ratio), -kDecades, kDecades);
    return kText + (decades + kDecades) / (2 * kDecades) * kBars;
  };
  std::string rows;
  int y = 48;
  for (const Figure& figure : figures_) {
    if (!HasRatio(figure)) continue;
    const double end = x_of(AgainstGoal(figure));
    const double start = std::min(end, x_of(1));
    rows += fmt::format(
        R"(<text x="{}" y="{}" text-anchor="end">{}</text>)"
        R"(<rect x="{:.1f}" y="{}" width="{:.1f}" height="14" fill="{}"/>)"
        R"(<text x="{}" y="{}">{:.4g} {} (goal {} {:.4g})</text>)"
        "\n",
        kText - 12, y + 12, Escaped(figure.title), start, y, std::max(1.0, std::abs(end - x_of(1))),
        figure.met() ? "#2a7f62" : "#c0392b", kText + kBars + 12, y + 12, figure.value,
        Escaped(figure.unit), figure.goal_is_most ? "&#8804;" : "&#8805;", figure.goal);
    y += kRow;
  }
  std::ofstream(file) << fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="1180" height="{}" )"
      R"(font-family="sans-serif" font-size="12">)"
      "\n"
      R"(<rect width="100%" height="100%" fill="white"/>)"
      R"(<text x="{}" y="24">better than its goal (to the left) or worse, a hundred times at most</text>)"
      R"(<line x1="{:.1f}" y1="36" x2="{:.1f}" y2="{}" stroke="#444"/>)"
      "\n{}</svg>\n",
      y + 16, kText, x_of(1), x_of(1), y, rows);
}

}  // namespace troupe::bench
