#include <iostream>

#include "clients/cpp/trace/trace.h"

double Scale(double x, double z) { return x * z; }

int main(int argc, char** argv) {
  troupe::trace::Tape tape;
  auto x = tape.parameter("x", -1.0, "between -10 and 10");
  auto scale = troupe::trace::bundle("scale", "The product of x and z.", {"x", "z"}, Scale);
  troupe::trace::Optimizer optimizer(tape, {.server = argc > 1 ? argv[1] : "127.0.0.1:7433"});
  for (int i = 0; i < 10; ++i) {
    tape.clear();
    auto y = scale(x, 2.0) + 1.0;
    std::cout << "x = " << x.value() << ", y = " << y.value() << std::endl;
    if (y == 7.0) return 0;
    tape.backward(y, y.value() < 7 ? "y should be larger" : "y should be smaller");
    if (auto step = optimizer.step(); !step.ok()) return std::cerr << step.status() << "\n", 1;
  }
  return 1;
}
