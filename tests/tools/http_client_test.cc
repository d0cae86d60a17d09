#include "tools/http/http_client.h"

#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <thread>

namespace troupe {
namespace {

absl::Duration CpuTime() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

// Its thread once spun as long as curl had no timer, which is whenever nothing is asked.
TEST(HttpClientTest, SleepsWhileNothingIsAsked) {
  const HttpClient client;
  const absl::Duration before = CpuTime();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(CpuTime() - before, absl::Milliseconds(100));
}

}  // namespace
}  // namespace troupe
