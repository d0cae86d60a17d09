#include "tools/base/mutex.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace troupe {
namespace {

struct Event {
  Mutex mutex;
  bool happened ABSL_GUARDED_BY(mutex) = false;
};

// Only the thread sanitizer sees where it does not hold: freed memory is notified.
TEST(MutexTest, WhoWaitedForTheLastUseMayDestroyIt) {
  for (int i = 0; i < 100; ++i) {
    auto event = std::make_unique<Event>();
    std::thread other([event = event.get()] {
      MutexLock lock(&event->mutex);
      event->happened = true;
    });
    {
      MutexLock lock(&event->mutex);
      event->mutex.Await(Condition(&event->happened));
    }
    event.reset();
    other.join();
  }
}

TEST(MutexTest, WaitsForAConditionNoLongerThanItIsTold) {
  Mutex mutex;
  MutexLock lock(&mutex);
  bool never = false;
  EXPECT_FALSE(mutex.AwaitWithTimeout(Condition(&never), absl::Milliseconds(1)));
  bool already = true;
  EXPECT_TRUE(mutex.AwaitWithTimeout(Condition(&already), absl::ZeroDuration()));
}

}  // namespace
}  // namespace troupe
