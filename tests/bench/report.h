// What was measured: a table for people, JSON for machines, a picture. Thread-compatible.
#pragma once

#include <string>
#include <vector>

namespace troupe::bench {

inline constexpr double kNoGoal = -1;

struct Figure {
  std::string name;
  std::string title;
  double value = 0;
  std::string unit;
  double goal = 0;           // what it should be, or kNoGoal
  bool goal_is_most = true;  // at most, or at least
  double floor = 0;          // the same without a server; 0: none

  bool met() const;
};

class Report {
 public:
  // Shows it on standard error at once.
  void Add(Figure figure);

  // The table, on standard output.
  void Print() const;
  void WriteJson(const std::string& file) const;
  // Bars of the values against their goals.
  void WriteSvg(const std::string& file) const;

 private:
  std::vector<Figure> figures_;
};

}  // namespace troupe::bench
