#include "tests/bench/report.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>

#include "tools/base/json.h"

namespace troupe::bench {

void Report::Add(Figure figure) {
  const std::string floor =
      figure.floor > 0
          ? fmt::format(", {:.2f} x the floor of {:.4g}", figure.value / figure.floor, figure.floor)
          : "";
  std::cerr << fmt::format("{:<66} {:>10.4g} {} (goal {} {:.4g}){}\n", figure.title, figure.value,
                           figure.unit, figure.goal_is_most ? "<=" : ">=", figure.goal, floor);
  figures_.push_back(std::move(figure));
}

void Report::Write(const std::string& file) const {
  Json rows = Json::array();
  for (const Figure& figure : figures_) {
    Json row = {
        {"name", figure.name},
        {"title", figure.title},
        {"value", figure.value},
        {"unit", figure.unit},
        {"goal", figure.goal},
        {"goal_is", figure.goal_is_most ? "at most" : "at least"},
        {"met", figure.goal_is_most ? figure.value <= figure.goal : figure.value >= figure.goal}};
    if (figure.floor > 0) {
      row["floor"] = figure.floor;
      row["ratio_to_floor"] = figure.value / figure.floor;
    }
    rows.push_back(std::move(row));
  }
  const std::string text = PrettyJson({{"figures", rows}}) + "\n";
  if (file.empty()) {
    std::cout << text;
  } else {
    std::ofstream(file) << text;
  }
}

}  // namespace troupe::bench
