#include <fmt/format.h>

#include <chrono>
#include <filesystem>
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

using std::chrono::seconds;

// A reply that calls a tool that changes nothing, many times side by side.
std::string ManyToolCalls(int count) {
  std::string calls;
  for (int i = 1; i <= count; ++i) {
    calls += fmt::format(
        R"({}{{"id":"{}","type":"function","function":{{"name":"list_files","arguments":"{{}}"}}}})",
        i == 1 ? "" : ",", i);
  }
  return R"({"role":"assistant","content":null,"tool_calls":[)" + calls + "]}";
}

// Seconds of a bare exchange with the model, on average over requests that grow from nothing to
// twice `mean_bytes`, as those of a chat do.
double SecondsOfExchanges(const ChatServer& model, int64_t mean_bytes) {
  constexpr int kSizes = 10;
  double seconds = 0;
  for (int size = 0; size < kSizes; ++size) {
    const int64_t bytes = mean_bytes * (2 * size + 1) / kSizes;
    seconds += CurlSecondsPerCall(model.port(), 200, RequestBody(bytes)) / kSizes;
  }
  return seconds;
}

}  // namespace

// One step after another in one chat, against a model without latency: the time from its first
// reply to its last. The server's own part of a step is what is left of it without the exchange
// with the model server, as a program of its own makes it with requests that grow as the chat's do.
void MeasureSteps(const Setting& setting, Report& report) {
  const Folder folder;
  ChatServer model({std::chrono::microseconds(1), 40, "", 0});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  const double fsync = FsyncSeconds(folder.path());
  int64_t number = 0;
  for (const int turns : {10, 100, 1000}) {
    const int rounds = turns == 10 ? 50 : setting.quick ? 2 : 5;
    const double cpu = server.CpuSeconds();
    const int64_t bytes = model.request_bytes();
    double wall = 0;
    for (int round = 0; round < rounds; ++round) {
      const int64_t served = model.served();
      model.StartClock();
      load.Submit(1, fmt::format("s{}x{}", turns, round), 1,
                  [&](int64_t) { return Load::Chat(++number, turns, 20); });
      model.WaitForServed(served + turns, seconds(120));
      wall += model.SecondsOfReplies() / rounds;
      // What ends one chat is not to be a part of the next.
      while (load.Count("state = RUNNING OR state = PENDING") > 0) {
      }
    }
    const double step = wall / (turns - 1);
    const double spent = server.CpuSeconds() - cpu;
    const int64_t body = (model.request_bytes() - bytes) / (int64_t{rounds} * turns);
    const double exchange = SecondsOfExchanges(model, body);
    std::cerr << fmt::format(
        "  {} steps: {:.0f} us of CPU a step, the task's own included; a request has {} bytes, a "
        "bare exchange takes {:.0f} us, an fsync {:.0f}\n",
        turns, spent / rounds / turns * 1e6, body, exchange * 1e6, fsync * 1e6);
    report.Add({fmt::format("step_{}", turns),
                fmt::format("Wall time of a durable step of a chat of {}, model of 0 ms", turns),
                step * 1e6, "us", kNoGoal, true, (fsync + exchange) * 1e6});
    report.Add({fmt::format("own_step_{}", turns), "Of that the server's own, its fsync included",
                (step - exchange) * 1e6, "us", 300, true, fsync * 1e6});
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
    std::this_thread::sleep_for(ServerProcess::kRestAfter + seconds(2));
    return server.AnonymousMegabytes();
  };
  // The first thousand also pays for buffers and caches that the second finds there.
  const double first = parked("a", tasks);
  const double second = parked("b", tasks);
  const double cpu = server.CpuSeconds();
  std::this_thread::sleep_for(setting.quick ? seconds(2) : seconds(10));
  const double idle = (server.CpuSeconds() - cpu) / (setting.quick ? 2 : 10);
  report.Add({"parked_memory",
              "Memory of a task at rest, waiting for a person (pages of files left out)",
              (second - first) * 1024 / static_cast<double>(tasks), "kB", 20, true, 0});
  report.Add({"parked_cpu", "CPU of 2,000 such tasks", idle * 100, "%", 0.5, true, 0});
}

// What a long conversation costs on disk.
void MeasureGrowth(const Setting& setting, Report& report) {
  const Folder folder;
  ChatServer model({std::chrono::microseconds(1), 1000, "", 0});
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

// How soon a killed server goes on with a task of many recorded effects.
void MeasureResume(const Setting& setting, Report& report) {
  constexpr int kToolCalls = 50;
  const int rounds = setting.quick ? 40 : 200;
  const int effects = rounds * (kToolCalls + 1);
  const Folder folder;
  ChatServer::Options options;
  options.latency = std::chrono::microseconds(1);
  options.message = ManyToolCalls(kToolCalls);
  ChatServer model(std::move(options));
  ServerProcess server(setting.binaries, folder.path(), model.port());
  {
    Load load(server.address());
    load.Submit(1, "many", 1, [&](int64_t i) {
      v1::TaskSpec spec = Load::Chat(i, 1);
      spec.mutable_chat()->add_tools("list_files");
      spec.mutable_chat()->set_max_rounds(1000);
      return spec;
    });
    model.WaitForServed(rounds + 1, seconds(120));
  }
  server.Kill();
  const int64_t served = model.served();
  const double start = Now();
  server.Start();
  const double started = Now() - start;
  model.WaitForServed(served + 1, seconds(60));
  const double resumed = Now() - start;
  std::cerr << fmt::format("  the server started in {:.2f} s of these\n", started);
  report.Add({"resume",
              fmt::format("From the start of a killed server to the first new call of a "
                          "task of {} effects",
                          effects),
              resumed * 1000, "ms", 1000, true, 0});
}

}  // namespace troupe::bench
