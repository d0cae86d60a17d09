// CircuitBreaker: takes out who fails again and again, and lets one call through after a pause to
// see whether it works again. Thread-compatible.
#pragma once

#include <absl/time/time.h>

#include <algorithm>

namespace troupe {

class CircuitBreaker {
 public:
  // Whether a call may begin. `now` is one of SteadyNow, here and below.
  bool Allows(absl::Time now) const {
    return failures_ < kMaxFailures || (!trying_ && now >= open_until_);
  }
  // Until when no call may begin; in the past if one may.
  absl::Time open_until() const {
    return failures_ < kMaxFailures ? absl::InfinitePast() : open_until_;
  }
  int failures() const { return failures_; }

  // Each call that began ends in one of the three ways below.
  void Begin() { trying_ = failures_ >= kMaxFailures; }
  void Succeed() { *this = CircuitBreaker(); }
  void Fail(absl::Time now) {
    const bool began_before = failures_ >= kMaxFailures && !trying_;
    trying_ = false;
    if (++failures_ < kMaxFailures || began_before) return;
    open_until_ = now + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }
  // The call says nothing about who served it: nobody waited for its end.
  void Abandon() { trying_ = false; }

 private:
  static constexpr int kMaxFailures = 5;  // in a row
  static constexpr absl::Duration kFirstPause = absl::Seconds(5);
  static constexpr absl::Duration kLongestPause = absl::Minutes(5);

  int failures_ = 0;
  bool trying_ = false;
  absl::Duration pause_ = kFirstPause;
  absl::Time open_until_ = absl::InfinitePast();
};

}  // namespace troupe
