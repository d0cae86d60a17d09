// What is measured, one function a question. Each starts servers of its own in a folder of its own
// and adds its figures to the report.
#pragma once

#include <filesystem>

#include "tests/bench/report.h"

namespace troupe::bench {

struct Setting {
  std::filesystem::path binaries;  // where trouped is
  bool quick = false;              // smaller loads
};

// measure_calls.cc
void MeasureThroughput(const Setting& setting, Report& report);
void MeasureRate(const Setting& setting, int in_flight, double goal, Report& report);
void MeasureInFlight(const Setting& setting, Report& report);

// measure_tasks.cc
void MeasureSteps(const Setting& setting, Report& report);
void MeasureParked(const Setting& setting, Report& report);
void MeasureGrowth(const Setting& setting, Report& report);
void MeasureResume(const Setting& setting, Report& report);

// measure_store.cc
void MeasureStore(const Setting& setting, Report& report);

// soak.cc
// Loads a server for some minutes; false if its memory or open files grew.
bool Soak(const Setting& setting, double minutes, Report& report);

}  // namespace troupe::bench
