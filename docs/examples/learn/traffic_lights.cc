// The traffic lights of a crossing, after the example of Trace (arXiv 2406.16218): how long each
// direction has green, so that cars wait as little as possible.
//
//   traffic_lights [SERVER [optoprime|opro [STEPS [MODEL]]]]
//
// The model of the crossing is deterministic. Half an hour in seconds; cars come to each of four
// approaches at a rate that is drawn anew every 6 seconds, up to 0.36 a second, and in a wave of
// 0.12 a second more from the west in the first third and from the east in the last; at green one
// car passes every 2 seconds from each side, and 5 seconds behind each green are lost. What counts
// is the delay of a car: the mean and the standard deviation, added up.
#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <deque>
#include <iostream>
#include <map>
#include <vector>

#include "clients/cpp/trace/trace.h"
#include "troupe/v1/optimizer_service.pb.h"

namespace {

constexpr int kSeconds = 1800;
constexpr int kLost = 5;
constexpr int kLeast = 15;
constexpr int kMost = 90;

// Numbers from 0 to 1: a linear congruential generator, the same on every machine.
class Draws {
 public:
  double Next() {
    state_ = 1664525 * state_ + 1013904223;
    return static_cast<double>(state_) / 4294967296.0;
  }

 private:
  uint32_t state_ = 42;
};

struct Approach {
  std::string name;
  double rate = 0;      // cars a second
  double arriving = 0;  // part of a car that has come so far
  std::deque<int> queue;
  size_t longest = 0;
  std::vector<int> delays;
};

struct Spread {
  double mean = 0;
  double deviation = 0;
};

Spread SpreadOf(const std::vector<int>& delays) {
  Spread spread;
  for (const int delay : delays) spread.mean += delay;
  spread.mean /= static_cast<double>(delays.size());
  for (const int delay : delays) spread.deviation += std::pow(delay - spread.mean, 2);
  spread.deviation = std::sqrt(spread.deviation / static_cast<double>(delays.size()));
  return spread;
}

using Crossing = std::array<Approach, 4>;

void Arrive(Crossing& crossing, int second, Draws& draws) {
  for (Approach& approach : crossing) {
    if (second % 6 == 0) {
      approach.rate = 0.36 * draws.Next();
      if (approach.name == "west" && second < kSeconds / 3) approach.rate += 0.12;
      if (approach.name == "east" && second >= 2 * kSeconds / 3) approach.rate += 0.12;
    }
    approach.arriving += approach.rate;
    for (; approach.arriving >= 1; approach.arriving -= 1) approach.queue.push_back(second);
    approach.longest = std::max(approach.longest, approach.queue.size());
  }
}

void Pass(Approach& approach, int second) {
  if (second % 2 != 0 || approach.queue.empty()) return;
  approach.delays.push_back(second - approach.queue.front());
  approach.queue.pop_front();
}

// What the half hour was like on each approach. Cars that still wait count as passing at the end.
nlohmann::json Simulate(int64_t green_ew, int64_t green_ns) {
  if (std::min(green_ew, green_ns) < kLeast || std::max(green_ew, green_ns) > kMost) {
    throw std::invalid_argument(
        fmt::format("green times are from {} to {} seconds", kLeast, kMost));
  }
  Crossing crossing;
  const std::array<const char*, 4> names = {"east", "west", "north", "south"};
  for (size_t i = 0; i < names.size(); ++i) crossing[i].name = names[i];
  Draws draws;
  const int64_t cycle = green_ew + green_ns + 2 * kLost;
  for (int second = 0; second < kSeconds; ++second) {
    Arrive(crossing, second, draws);
    const int64_t moment = second % cycle;
    const bool ew = moment < green_ew;
    const bool ns = moment >= green_ew + kLost && moment < cycle - kLost;
    for (size_t i = 0; i < crossing.size(); ++i) {
      if (i < 2 ? ew : ns) Pass(crossing[i], second);
    }
  }
  nlohmann::json seen;
  for (Approach& approach : crossing) {
    const size_t waiting = approach.queue.size();
    for (const int arrived : approach.queue) approach.delays.push_back(kSeconds - arrived);
    const Spread spread = SpreadOf(approach.delays);
    seen[approach.name] = {{"cars", approach.delays.size()},
                           {"mean delay", spread.mean},
                           {"deviation", spread.deviation},
                           {"longest queue", approach.longest},
                           {"waiting at the end", waiting}};
  }
  return seen;
}

// Over all cars: the mean delay and its standard deviation, added up.
double Overall(const nlohmann::json& seen) {
  double cars = 0, sum = 0, squares = 0;
  for (const auto& approach : seen) {
    const double count = approach.at("cars"), mean = approach.at("mean delay"),
                 deviation = approach.at("deviation");
    cars += count;
    sum += count * mean;
    squares += count * (deviation * deviation + mean * mean);
  }
  const double mean = sum / cars;
  return mean + std::sqrt(std::max(0.0, squares / cars - mean * mean));
}

constexpr char kObjective[] =
    "Choose the green times so that the overall delay at the crossing is as small as possible. A "
    "green that is too short lets queues grow in its direction; one that is too long lets them "
    "grow "
    "in the other; and behind each green some seconds are lost, which counts more the shorter the "
    "greens are. The arrivals are the same in each run.";

}  // namespace

int main(int argc, char** argv) {
  namespace trace = troupe::trace;
  int steps = 20;
  if (argc > 3 && !absl::SimpleAtoi(argv[3], &steps)) return std::cerr << "STEPS is a number\n", 2;
  trace::Tape tape;
  const std::string limits = fmt::format("a whole number from {} to {}", kLeast, kMost);
  const auto green_ew = tape.parameter("green_ew", 15, limits);
  const auto green_ns = tape.parameter("green_ns", 15, limits);
  const auto simulate = trace::bundle(
      "simulate", "Half an hour at the crossing: what each approach was like, delays in seconds.",
      {"green_ew", "green_ns"}, Simulate);
  const auto overall =
      trace::bundle("overall", "The mean delay of all cars and its standard deviation, added up.",
                    {"crossing"}, Overall);
  trace::OptimizerOptions options;
  if (argc > 1) options.server = argv[1];
  if (argc > 4) options.model = argv[4];
  options.objective = kObjective;
  options.memory = 20;
  options.seed = 1;
  if (argc > 2 && std::string(argv[2]) == "opro") {
    options.configure = [](troupe::v1::OptimizerSettings& settings) {
      settings.mutable_config()->set_algorithm(troupe::v1::OptimizerConfig::ALGORITHM_OPRO);
    };
  }
  trace::Optimizer optimizer(tape, options);
  for (int step = 0;; ++step) {
    tape.clear();
    const auto delay = overall(simulate(green_ew, green_ns));
    if (delay.failed()) return std::cerr << delay.error() << "\n", 1;
    std::cout << fmt::format("step {}: green {} and {}, delay {:.2f}", step, green_ew.value(),
                             green_ns.value(), delay.value())
              << std::endl;
    if (step == steps) return 0;
    tape.backward(delay, fmt::format("The overall delay is {:.2f} seconds. Smaller is better.",
                                     delay.value()));
    const auto made = optimizer.step({.score = -delay.value()});
    if (!made.ok()) return std::cerr << made.status() << "\n", 1;
    if (made->finished) return 0;
  }
}
