// What was measured, as JSON. Thread-compatible.
#pragma once

#include <string>
#include <vector>

namespace troupe::bench {

struct Figure {
  std::string name;
  std::string title;
  double value = 0;
  std::string unit;
  double goal = 0;           // what it should be
  bool goal_is_most = true;  // at most, or at least
  double floor = 0;          // the same without a server; 0: none
};

class Report {
 public:
  // Shows it on standard error at once.
  void Add(Figure figure);
  // One JSON object; standard output if `file` is empty.
  void Write(const std::string& file) const;

 private:
  std::vector<Figure> figures_;
};

}  // namespace troupe::bench
