#include "tools/base/pause.h"

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>

namespace troupe {

AsyncStatus Pause(absl::Duration duration, CancelToken cancel) {
  const auto executor = co_await asio::this_coro::executor;
  auto timer = std::make_shared<asio::steady_timer>(executor);
  timer->expires_after(absl::ToChronoNanoseconds(duration));
  // A timer is not thread-safe: the cancelling thread posts to the coroutine's executor.
  const auto registration =
      cancel.OnCancel([timer, executor] { asio::post(executor, [timer] { timer->cancel(); }); });
  asio::error_code ignored;
  if (!cancel.cancelled()) {
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return cancel.status();
}

}  // namespace troupe
