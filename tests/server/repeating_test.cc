#include "server/repeating.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace troupe {
namespace {

TEST(RepeatingTest, RepeatsUntilStopped) {
  asio::thread_pool threads(1);
  std::atomic<int> rounds = 0;
  std::promise<void> third;
  Repeating repeating(threads, absl::ZeroDuration(), [&] {
    if (++rounds == 3) third.set_value();
    return rounds < 3 ? absl::ZeroDuration() : absl::Hours(1);
  });
  third.get_future().get();
  repeating.Stop();
  threads.join();
  EXPECT_EQ(rounds, 3);
}

TEST(RepeatingTest, StoppedInARoundItDoesNotWaitForAnother) {
  asio::thread_pool threads(1);
  std::promise<void> begun;
  std::promise<void> stopped;
  auto go_on = stopped.get_future();
  std::atomic<int> rounds = 0;
  Repeating repeating(threads, absl::ZeroDuration(), [&] {
    ++rounds;
    begun.set_value();
    go_on.get();
    return absl::Hours(1);
  });
  begun.get_future().get();
  repeating.Stop();
  stopped.set_value();
  threads.join();  // would last an hour
  EXPECT_EQ(rounds, 1);
}

}  // namespace
}  // namespace troupe
