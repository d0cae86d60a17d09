// DeadlineToken: a token that is cancelled with another one, and when a time has passed.
// Thread-compatible; lives in the coroutine that waits.
#pragma once

#include <absl/time/time.h>
#include <fmt/format.h>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "tools/base/cancel.h"

namespace troupe {

class DeadlineToken {
 public:
  // `what` took too long, the cancellation says then.
  DeadlineToken(const asio::any_io_executor& executor, const CancelToken& parent,
                absl::Duration time, std::string what)
      : source_(std::make_shared<CancelSource>(parent)), timer_(executor) {
    if (time == absl::InfiniteDuration()) return;
    timer_.expires_after(absl::ToChronoNanoseconds(time));
    timer_.async_wait([source = source_, what = std::move(what), time](asio::error_code error) {
      if (error) return;
      source->Cancel(CancelReason::kDeadline,
                     fmt::format("{} took longer than {}", what, absl::FormatDuration(time)));
    });
  }

  CancelToken token() const { return source_->token(); }

 private:
  std::shared_ptr<CancelSource> source_;
  asio::steady_timer timer_;
};

}  // namespace troupe
