#include <fmt/format.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "tests/bench/chat_server.h"
#include "tests/bench/clock.h"
#include "tests/bench/floors.h"
#include "tests/bench/folder.h"
#include "tests/bench/load.h"
#include "tests/bench/measurements.h"
#include "tests/bench/server_process.h"

namespace troupe::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

// Many tasks at once against a model of 50 ms: CPU of a call, and calls a second.
void MeasureThroughput(const Setting& setting, Report& report) {
  const int64_t tasks = 1000;
  const int turns = setting.quick ? 5 : 20;
  const Folder folder;
  ChatServer model({milliseconds(50), 120, "", 0});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const double start = Now();
  const int64_t accepted =
      load.Submit(tasks, "t", 256, [&](int64_t i) { return Load::Chat(i, turns); });
  const double submitted = Now();
  model.WaitForServed(tasks * turns, seconds(300));
  const double wall = Now() - start;
  const double model_cpu = model.CpuSeconds();
  const double calls = static_cast<double>(tasks * turns);
  const double cpu = server.CpuSeconds() / calls * 1e6;
  while (load.Count("state = RUNNING OR state = PENDING") > 0) {
  }
  const int64_t succeeded = load.Count("state = SUCCEEDED");
  std::cerr << fmt::format(
      "  {} tasks accepted in {:.2f} s, {} succeeded; {} calls in {:.2f} s; the model server spent "
      "{:.1f} us a call; resident {:.0f} MB; written {:.0f} MB\n",
      accepted, submitted - start, succeeded, tasks * turns, wall, model_cpu / calls * 1e6,
      server.ResidentMegabytes(), server.WrittenMegabytes());
  const double curl = CurlCpuPerCall(model.port(), tasks * turns, static_cast<int>(tasks),
                                     RequestBody(model.request_bytes() / model.served()));
  const double rows = SqliteCpuPerCall(folder.path(), tasks * turns);
  report.Add({"cpu_per_call", "CPU of a durable model call, 1,000 tasks at once", cpu, "us", 200,
              true, (curl + rows) * 1e6});
  report.Add({"calls_per_second", "Durable calls a second, 1,000 tasks at once, 50 ms model",
              calls / wall, "1/s", 4000, false, 0});
  report.Add({"tasks_lost_1000", "Tasks of these that did not succeed",
              static_cast<double>(tasks - succeeded), "tasks", 0, true, 0});
}

// Five calls a task at 50 ms, some tasks in flight: tasks a second against the ideal.
void MeasureRate(const Setting& setting, int in_flight, double goal, Report& report) {
  constexpr int kTurns = 5;
  const Folder folder;
  ChatServer model({milliseconds(50), 120, "", kTurns});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const int waves = setting.quick ? 4 : 20;
  const int64_t tasks = int64_t{in_flight} * waves;
  const double start = Now();
  int64_t number = 0;
  // A task is submitted for each that had its last call answered.
  while (number < tasks) {
    const int64_t wanted = std::min<int64_t>(tasks, in_flight + model.finished());
    if (wanted > number) {
      const int64_t first = number;
      load.Submit(wanted - number, fmt::format("w{}x", first), 64,
                  [&](int64_t i) { return Load::Chat(first + i, kTurns); });
      number = wanted;
    } else {
      model.WaitForFinished(number - in_flight + 1, seconds(10));
    }
  }
  model.WaitForServed(tasks * kTurns, seconds(120));
  const double rate = static_cast<double>(tasks) / (Now() - start);
  const double ideal = in_flight / (kTurns * 0.05);
  report.Add({fmt::format("tasks_per_second_{}", in_flight),
              fmt::format("Tasks a second, 5 calls of 50 ms each, {} in flight (ideal {:.0f})",
                          in_flight, ideal),
              rate, "1/s", goal, false, 0});
}

// Ten thousand tasks against a model of one second. What counts are five calls of each while all of
// them are in flight: before, they are submitted (by a client on the same machine, which is told of
// separately) and make one more call each, as replies that came meanwhile wait in a queue, and
// after, none is missing until all have come so far. They are submitted evenly over two calls of a
// task: as every reply takes the same time, the calls would come in bursts for ever after
// otherwise, as those of tasks that began by themselves do not.
void MeasureInFlight(const Setting& setting, Report& report) {
  const int64_t tasks = setting.quick ? 2000 : 10'000;
  const int measured = 5;
  const int turns = measured + 9;  // none may end meanwhile, however long submitting takes
  const int64_t watched = 1000;
  const Folder folder;
  ChatServer model({seconds(1), 120, "", turns});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  Load watch_load(server.address());
  const double start = Now();
  const auto begin = std::chrono::steady_clock::now();
  const auto in_its_turn = [&](int64_t i) {
    std::this_thread::sleep_until(begin + i * std::chrono::microseconds(seconds(2)) / tasks);
    return Load::Chat(i, turns);
  };
  // The watched ones first, so that they are watched from their beginning.
  load.Submit(watched, "w", 256, in_its_turn);
  Watchers watchers(watch_load.tasks(), "w", watched);
  load.Submit(tasks - watched, "t", 256, [&](int64_t i) { return in_its_turn(watched + i); });
  const double submitted = Now() - start;
  model.WaitForServed(model.served() + tasks, seconds(300));
  const double cpu_before = server.CpuSeconds();
  const int64_t served = model.served();
  const double resident_running = server.ResidentMegabytes();
  model.MeasureAdded();
  const double all_in_flight = Now();
  model.WaitForServed(served + tasks * measured, seconds(300));
  const double wall = Now() - all_in_flight;
  const int64_t ended = model.finished();
  const double cpu = server.CpuSeconds() - cpu_before;
  const auto added = model.AddedMilliseconds();
  model.WaitForServed(tasks * turns, seconds(300));
  const double whole = Now() - start;
  const Watchers::Outcome outcome = watchers.Wait();
  std::cerr << fmt::format(
      "  submitted in {:.2f} s, {} calls until it was measured; then {} calls in {:.2f} s, {:.0f} "
      "us of the "
      "server's CPU each; resident {:.0f} MB then, peak {:.0f} MB; {} open files; {} watched to "
      "the end with {} events; added latency p50 {:.1f} ms\n",
      submitted, served, tasks * measured, wall, cpu / static_cast<double>(tasks * measured) * 1e6,
      resident_running, server.PeakMegabytes(), server.OpenFiles(), outcome.ended, outcome.events,
      Percentile(added, 0.5));
  report.Add(
      {"wall_in_flight",
       fmt::format("Wall time of 5 calls of 1 s of {} tasks in flight, against the ideal", tasks),
       wall / measured, "x", 1.3, true, 0});
  report.Add({"ended_in_flight", "Tasks of these that ended before the others had made them",
              static_cast<double>(ended), "tasks", 0, true, 0});
  report.Add({"wall_with_submission",
              fmt::format("The same tasks from the first submission to the end of their {} calls, "
                          "against the ideal",
                          turns),
              whole / turns, "x", kNoGoal, true, 0});
  report.Add({"submission", fmt::format("Submitting {} tasks, evenly over 2 s", tasks), submitted,
              "s", kNoGoal, true, 0});
  report.Add({"resident_in_flight", fmt::format("Most resident memory with {} tasks", tasks),
              server.PeakMegabytes(), "MB", 1024, true, 0});
  report.Add({"added_latency_p99", "Added between a reply and the next call, 99th percentile",
              Percentile(added, 0.99), "ms", 100, true, 0});
  report.Add({"watch_lost", "Events lost or out of order on 1,000 watched tasks",
              static_cast<double>(outcome.gaps + watched - outcome.ended), "events", 0, true, 0});
}

}  // namespace troupe::bench
