// troupe_bench: loads a server and measures it. See scripts/bench.
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "tests/bench/chat_server.h"
#include "tests/bench/floors.h"
#include "tests/bench/load.h"
#include "tests/bench/report.h"
#include "tests/bench/server_process.h"

namespace troupe::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One measurement's folder, gone with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "troupe-bench-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Setting {
  std::filesystem::path binaries;
  bool quick = false;
};

// A model call's request as the server sends it, for the floor.
constexpr char kTypicalBody[] =
    R"({"max_tokens":8192,"messages":[{"content":"[floor] turn 1 abcdefghijkl","role":"user"}],)"
    R"("model":"m","seed":1})";

// Many tasks at once against a model of 50 ms: CPU of a call, and calls a second.
void MeasureThroughput(const Setting& setting, Report& report) {
  const int64_t tasks = 1000;
  const int turns = setting.quick ? 5 : 20;
  const Folder folder;
  ChatServer model({milliseconds(50), 120, ""});
  const double curl =
      CurlCpuPerCall(model.port(), tasks * turns, static_cast<int>(tasks), kTypicalBody);
  const double rows = SqliteCpuPerCall(folder.path(), tasks * turns);
  const int64_t before = model.served();
  const double model_before = model.CpuSeconds();
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const double start = Now();
  const int64_t accepted =
      load.Submit(tasks, "t", 256, [&](int64_t i) { return Load::Chat(i, turns); });
  const double submitted = Now();
  model.WaitForServed(before + tasks * turns, seconds(300));
  const double wall = Now() - start;
  const double calls = static_cast<double>(tasks * turns);
  const double cpu = server.CpuSeconds() / calls * 1e6;
  while (load.Count("state = RUNNING OR state = PENDING") > 0) {
  }
  const int64_t succeeded = load.Count("state = SUCCEEDED");
  std::cerr << fmt::format(
      "  {} tasks accepted in {:.2f} s, {} succeeded; {} calls in {:.2f} s; the model server spent "
      "{:.1f} us a call; resident {:.0f} MB; written {:.0f} MB\n",
      accepted, submitted - start, succeeded, tasks * turns, wall,
      (model.CpuSeconds() - model_before) / calls * 1e6, server.ResidentMegabytes(),
      server.WrittenMegabytes());
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
  ChatServer model({milliseconds(50), 120, ""});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const int waves = setting.quick ? 4 : 20;
  const int64_t tasks = int64_t{in_flight} * waves;
  const double start = Now();
  int64_t number = 0;
  // Tasks are submitted as calls are served, so that about `in_flight` run at any time.
  while (number < tasks) {
    const int64_t wanted = std::min<int64_t>(tasks, in_flight + model.served() / kTurns);
    if (wanted > number) {
      const int64_t first = number;
      load.Submit(wanted - number, fmt::format("w{}x", first), 64,
                  [&](int64_t i) { return Load::Chat(first + i, kTurns); });
      number = wanted;
    } else {
      model.WaitForServed(model.served() + 1, seconds(1));
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

// Ten thousand tasks against a model of one second.
void MeasureInFlight(const Setting& setting, Report& report) {
  const int64_t tasks = setting.quick ? 2000 : 10'000;
  const int turns = 5;
  const int64_t watched = 1000;
  const Folder folder;
  ChatServer model({seconds(1), 120, ""});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const double start = Now();
  // The watched ones first, so that they are watched from their beginning.
  load.Submit(watched, "w", 256, [&](int64_t i) { return Load::Chat(i, turns); });
  Watchers watchers(load.tasks(), "w", watched);
  load.Submit(tasks - watched, "t", 256, [&](int64_t i) { return Load::Chat(watched + i, turns); });
  const double submitted = Now() - start;
  const double resident_running = server.ResidentMegabytes();
  model.WaitForServed(tasks * turns, seconds(300));
  const double wall = Now() - start;
  const Watchers::Outcome outcome = watchers.Wait();
  const auto added = model.AddedMilliseconds();
  std::cerr << fmt::format(
      "  submitted in {:.2f} s; resident {:.0f} MB then, peak {:.0f} MB; {} open files; {} watched "
      "to the end with {} events; added latency p50 {:.1f} ms\n",
      submitted, resident_running, server.PeakMegabytes(), server.OpenFiles(), outcome.ended,
      outcome.events, Percentile(added, 0.5));
  report.Add(
      {"wall_in_flight",
       fmt::format("Wall time of {} tasks at once, 5 calls of 1 s, against the ideal", tasks),
       wall / turns, "x", 1.3, true, 0});
  report.Add({"resident_in_flight", fmt::format("Most resident memory with {} tasks", tasks),
              server.PeakMegabytes(), "MB", 1024, true, 0});
  report.Add({"added_latency_p99", "Added between a reply and the next call, 99th percentile",
              Percentile(added, 0.99), "ms", 100, true, 0});
  report.Add({"watch_lost", "Events lost or out of order on 1,000 watched tasks",
              static_cast<double>(outcome.gaps + watched - outcome.ended), "events", 0, true, 0});
}

// One task after another in one chat, against a model without latency.
void MeasureSteps(const Setting& setting, Report& report) {
  const Folder folder;
  ChatServer model({std::chrono::microseconds(1), 40, ""});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const double fsync = FsyncSeconds(folder.path());
  std::cerr << fmt::format("  one fsync here: {:.0f} us\n", fsync * 1e6);
  int64_t number = 0;
  for (const int turns : {10, 100, 1000}) {
    const int rounds = setting.quick ? 2 : 5;
    const double start = Now();
    const double cpu = server.CpuSeconds();
    for (int round = 0; round < rounds; ++round) {
      const int64_t served = model.served();
      load.Submit(1, fmt::format("s{}x{}", turns, round), 1,
                  [&](int64_t) { return Load::Chat(++number, turns, 20); });
      model.WaitForServed(served + turns, seconds(120));
    }
    const double steps = static_cast<double>(rounds) * turns;
    std::cerr << fmt::format("  {} steps: {:.0f} us of CPU a step\n", turns,
                             (server.CpuSeconds() - cpu) / steps * 1e6);
    report.Add({fmt::format("step_{}", turns),
                fmt::format("Wall time of a durable step of a chat of {}, model of 0 ms", turns),
                (Now() - start) / steps * 1e6, "us", 0, true, fsync * 1e6});
  }
}

// Tasks that wait for a person: memory and CPU of one.
void MeasureParked(const Setting& setting, Report& report) {
  const int64_t tasks = 1000;
  const Folder folder;
  ChatServer::Options options;
  options.latency = std::chrono::microseconds(1);
  options.message =
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",)"
      R"("function":{"name":"ask_user","arguments":"{\"question\":\"May I?\"}"}}]})";
  ChatServer model(std::move(options));
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const auto asking = [](int64_t i) {
    v1::TaskSpec spec = Load::Chat(i, 1);
    spec.mutable_chat()->add_tools("ask_user");
    return spec;
  };
  const auto parked = [&](const char* prefix, int64_t more) {
    const int64_t before = load.Count("state = INPUT_REQUIRED");
    load.Submit(more, prefix, 64, asking);
    while (load.Count("state = INPUT_REQUIRED") < before + more) {
    }
    return server.ResidentMegabytes();
  };
  // The first thousand also pays for buffers and caches that the second finds there.
  const double first = parked("a", tasks);
  const double second = parked("b", tasks);
  const double cpu = server.CpuSeconds();
  std::this_thread::sleep_for(setting.quick ? seconds(2) : seconds(10));
  const double idle = (server.CpuSeconds() - cpu) / (setting.quick ? 2 : 10);
  report.Add({"parked_memory", "Resident memory of a task that waits for a person",
              (second - first) * 1024 / static_cast<double>(tasks), "kB", 20, true, 0});
  report.Add({"parked_cpu", "CPU of 2,000 such tasks", idle * 100, "%", 0.5, true, 0});
}

// What a long conversation costs on disk, and how soon a killed server goes on.
void MeasureGrowthAndResume(const Setting& setting, Report& report) {
  const Folder folder;
  ChatServer model({std::chrono::microseconds(1), 1000, ""});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  const int turns = 200;
  const size_t turn_bytes = 1000;
  {
    Load load(server.address());
    load.Submit(1, "long", 1, [&](int64_t) { return Load::Chat(1, turns, turn_bytes); });
    model.WaitForServed(turns, seconds(60));
    while (load.Count("state = SUCCEEDED") < 1) {
    }
  }
  server.Stop();
  const auto size = std::filesystem::file_size(server.data() / "troupe.db");
  const double unique = static_cast<double>(model.reply_text_bytes()) +
                        static_cast<double>(turns) * static_cast<double>(turn_bytes);
  report.Add({"journal_growth", "Stored for a chat of 200 turns, against its unique text",
              static_cast<double>(size) / unique, "x", 3, true, 0});
  report.Add({"bytes_per_effect", "Stored for one of its model calls (2 kB of new text)",
              static_cast<double>(size) / turns, "bytes", 6000, true, 0});
}

}  // namespace
}  // namespace troupe::bench

int main(int argc, char** argv) {
  CLI::App app{"troupe_bench: loads a server and measures it"};
  troupe::bench::Setting setting;
  std::string out;
  std::vector<std::string> only;
  app.add_option("--binaries", setting.binaries, "Folder of trouped")->required();
  app.add_flag("--quick", setting.quick, "Smaller loads");
  app.add_option("--json", out, "Where the figures go");
  app.add_option("--only", only, "throughput, rate, in_flight, steps, parked, growth");
  CLI11_PARSE(app, argc, argv);
  // Every connection to the model is a file of this process too.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const auto wanted = [&](const char* name) {
    return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
  };
  troupe::bench::Report report;
  if (wanted("throughput")) MeasureThroughput(setting, report);
  if (wanted("rate")) {
    MeasureRate(setting, 50, 180, report);
    MeasureRate(setting, 200, 600, report);
  }
  if (wanted("in_flight")) MeasureInFlight(setting, report);
  if (wanted("steps")) MeasureSteps(setting, report);
  if (wanted("parked")) MeasureParked(setting, report);
  if (wanted("growth")) MeasureGrowthAndResume(setting, report);
  report.Write(out);
  return 0;
}
