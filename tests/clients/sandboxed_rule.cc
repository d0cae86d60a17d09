// A program whose trainable function is Python code that a server runs: sandboxed_rule SERVER.
// Prints what the function came to after each step; exits 0 when it is 12.
#include <iostream>

#include "clients/cpp/trace/trace.h"

int main(int argc, char** argv) {
  using namespace troupe::trace;
  const std::string server = argc > 1 ? argv[1] : "127.0.0.1:7433";
  Tape tape;
  auto rule = tape.code("rule", "def rule(x, k):\n    return x + k");
  Sandbox sandbox({.server = server, .timeout = std::chrono::seconds(5)});
  auto scaled = sandbox.function<double>("rule", {"x", "k"}, rule);
  Optimizer optimizer(tape, {.server = server});
  for (int i = 0; i < 6; ++i) {
    tape.clear();
    auto y = scaled(tape.node("x", 4.0), 3.0);
    std::cout << (y.failed() ? y.error() : std::to_string(y.value())) << std::endl;
    if (!y.failed() && y == 12.0) return 0;
    tape.backward(y, y.failed() ? "" : "It should be 12.");
    if (auto step = optimizer.step(); !step.ok()) return std::cerr << step.status() << "\n", 1;
  }
  return 1;
}
