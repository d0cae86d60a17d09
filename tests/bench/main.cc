// troupe_bench: loads a server and measures it. See scripts/bench and scripts/soak.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>

#include "tests/bench/measurements.h"
#include "tests/bench/report.h"

namespace troupe::bench {
namespace {

// Every connection to the model is a file of this process too.
void AllowManyFiles() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

void Measure(const Setting& setting, const std::vector<std::string>& only, Report& report) {
  const auto wanted = [&](const char* name) {
    return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
  };
  if (wanted("throughput")) MeasureThroughput(setting, report);
  if (wanted("rate")) {
    MeasureRate(setting, 50, 180, report);
    MeasureRate(setting, 200, 600, report);
  }
  if (wanted("in_flight")) MeasureInFlight(setting, report);
  if (wanted("steps")) MeasureSteps(setting, report);
  if (wanted("parked")) MeasureParked(setting, report);
  if (wanted("growth")) MeasureGrowth(setting, report);
  if (wanted("resume")) MeasureResume(setting, report);
  if (wanted("store")) MeasureStore(setting, report);
}

}  // namespace
}  // namespace troupe::bench

int main(int argc, char** argv) {
  CLI::App app{"troupe_bench: loads a server and measures it"};
  troupe::bench::Setting setting;
  std::string json;
  std::string svg;
  std::vector<std::string> only;
  double soak_minutes = 0;
  app.add_option("--binaries", setting.binaries, "Folder of trouped")->required();
  app.add_flag("--quick", setting.quick, "Smaller loads");
  app.add_option("--json", json, "Writes the figures there");
  app.add_option("--svg", svg, "Draws the figures there");
  app.add_option("--only", only,
                 "throughput, rate, in_flight, steps, parked, growth, resume, store");
  app.add_option("--soak", soak_minutes, "Loads a server for so many minutes instead");
  CLI11_PARSE(app, argc, argv);
  troupe::bench::AllowManyFiles();
  try {
    troupe::bench::Report report;
    bool flat = true;
    if (soak_minutes > 0) {
      flat = troupe::bench::Soak(setting, soak_minutes, report);
    } else {
      troupe::bench::Measure(setting, only, report);
    }
    report.Print();
    if (!json.empty()) report.WriteJson(json);
    if (!svg.empty()) report.WriteSvg(svg);
    return flat ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "troupe_bench: " << error.what() << std::endl;
    return 2;
  }
}
