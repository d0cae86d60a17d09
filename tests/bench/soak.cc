#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <iostream>
#include <vector>

#include "tests/bench/chat_server.h"
#include "tests/bench/clock.h"
#include "tests/bench/folder.h"
#include "tests/bench/load.h"
#include "tests/bench/measurements.h"
#include "tests/bench/server_process.h"

namespace troupe::bench {
namespace {

constexpr int kInFlight = 200;
constexpr int kTurns = 5;
constexpr int64_t kKept = 2000;  // ended tasks; older ones are deleted
constexpr double kSampleSeconds = 5;
// Memory may still settle by this much in the second half.
constexpr double kGrowthAllowed = 1.05;

struct Sample {
  double resident_megabytes;
  int open_files;
};

void Delete(Load& load, int64_t number) {
  grpc::ClientContext context;
  v1::DeleteTaskRequest request;
  request.set_name(fmt::format("tasks/s{}", number));
  v1::DeleteTaskResponse response;
  load.tasks().DeleteTask(&context, request, &response);
}

double MedianMegabytes(std::vector<Sample> samples, size_t from, size_t to) {
  std::vector<double> values;
  for (size_t i = from; i < to; ++i) values.push_back(samples[i].resident_megabytes);
  std::sort(values.begin(), values.end());
  return Percentile(values, 0.5);
}

int MostFiles(const std::vector<Sample>& samples, size_t from, size_t to) {
  int most = 0;
  for (size_t i = from; i < to; ++i) most = std::max(most, samples[i].open_files);
  return most;
}

}  // namespace

bool Soak(const Setting& setting, double minutes, Report& report) {
  const Folder folder;
  ChatServer model({std::chrono::milliseconds(50), 120, "", kTurns});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  std::vector<Sample> samples;
  const double start = Now();
  double next_sample = start + kSampleSeconds;
  int64_t submitted = 0;
  int64_t deleted = 0;
  while (Now() - start < minutes * 60) {
    const int64_t wanted = kInFlight + model.finished();
    if (submitted < wanted) {
      const int64_t first = submitted;
      load.Submit(
          wanted - first, "s", 64, [&](int64_t i) { return Load::Chat(first + i, kTurns); }, first);
      submitted = wanted;
    }
    while (deleted < model.finished() - kKept) Delete(load, deleted++);
    model.WaitForFinished(submitted - kInFlight + 1, std::chrono::seconds(2));
    if (Now() < next_sample) continue;
    next_sample += kSampleSeconds;
    samples.push_back({server.ResidentMegabytes(), server.OpenFiles()});
    std::cerr << fmt::format("  {:5.0f} s: {} tasks, resident {:.1f} MB, {} open files\n",
                             Now() - start, submitted, samples.back().resident_megabytes,
                             samples.back().open_files);
  }
  if (samples.size() < 8) return true;  // too short to tell
  // The first half warms up; the last quarter is compared with the one before it.
  const size_t half = samples.size() / 2;
  const size_t last = samples.size() * 3 / 4;
  const double before = MedianMegabytes(samples, half, last);
  const double after = MedianMegabytes(samples, last, samples.size());
  const int files_before = MostFiles(samples, half, last);
  const int files_after = MostFiles(samples, last, samples.size());
  report.Add({"soak_tasks", fmt::format("Tasks of 5 calls in {} minutes", minutes),
              static_cast<double>(model.finished()), "tasks", 1, false, 0});
  report.Add({"soak_memory", "Resident memory of the last quarter, against the one before",
              after / before, "x", kGrowthAllowed, true, 0});
  report.Add({"soak_files", "Most open files of the last quarter beyond those of the one before",
              static_cast<double>(files_after - files_before), "files", 16, true, 0});
  return after <= before * kGrowthAllowed && files_after <= files_before + 16;
}

}  // namespace troupe::bench
