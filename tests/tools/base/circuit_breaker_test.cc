#include "tools/base/circuit_breaker.h"

#include <gtest/gtest.h>

#include "tools/base/steady_time.h"

namespace troupe {
namespace {

void FailFiveTimes(CircuitBreaker& breaker, absl::Time now) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(breaker.Allows(now));
    breaker.Begin();
    breaker.Fail(now);
  }
}

TEST(CircuitBreakerTest, OpensAfterFailuresAndLetsOneCallTry) {
  CircuitBreaker breaker;
  const absl::Time start = SteadyNow();
  FailFiveTimes(breaker, start);
  EXPECT_FALSE(breaker.Allows(start + absl::Seconds(4)));
  const absl::Time later = start + absl::Seconds(5);
  ASSERT_TRUE(breaker.Allows(later));
  breaker.Begin();
  EXPECT_FALSE(breaker.Allows(later)) << "one call at a time";
  breaker.Fail(later);
  EXPECT_FALSE(breaker.Allows(later + absl::Seconds(9)));
  breaker.Begin();
  breaker.Succeed();
  EXPECT_TRUE(breaker.Allows(later));
}

// Sixteen calls that hung side by side once took a tool out for five minutes.
TEST(CircuitBreakerTest, CallsThatBeganBeforeItOpenedDoNotLengthenThePause) {
  CircuitBreaker breaker;
  const absl::Time start = SteadyNow();
  for (int i = 0; i < 16; ++i) breaker.Begin();
  for (int i = 0; i < 16; ++i) breaker.Fail(start);
  EXPECT_EQ(breaker.failures(), 16);
  EXPECT_FALSE(breaker.Allows(start + absl::Seconds(4)));
  EXPECT_TRUE(breaker.Allows(start + absl::Seconds(5)));
}

TEST(CircuitBreakerTest, ATryThatNobodyWaitedForLetsAnotherTry) {
  CircuitBreaker breaker;
  const absl::Time start = SteadyNow();
  FailFiveTimes(breaker, start);
  const absl::Time later = start + absl::Seconds(5);
  breaker.Begin();
  breaker.Abandon();
  EXPECT_TRUE(breaker.Allows(later));
  EXPECT_EQ(breaker.failures(), 5);
}

}  // namespace
}  // namespace troupe
