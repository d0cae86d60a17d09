// Suspends a coroutine until a callback is called, the bridge from callback interfaces (a store's
// writer, a transfer that ended, a reply on a socket) to coroutines.
//
//   co_return co_await Suspend<int>([&](std::function<void(absl::StatusOr<int>)> done) {
//     queue.Push(std::move(job), std::move(done));
//   });
//
// `done` must be called exactly once, from any thread; the coroutine goes on on its own executor.
// `start` runs on the coroutine's executor and must not block. That executor runs one handler at a
// time (a strand, or a context with one thread), or the coroutine could go on, and end, while
// `start` is at work. A lambda given in place must capture references and plain pointers only: g++
// 12 destroys what a temporary argument of an awaited call captures by value twice.
#pragma once

#include <absl/status/statusor.h>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "tools/base/async.h"
#include "tools/base/defer.h"

namespace troupe {

template <typename T>
using Done = std::function<void(absl::StatusOr<T>)>;

template <typename T, typename Start>
Async<T> Suspend(Start start) {
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(absl::StatusOr<T>)>(
      [](auto handler, Start start) {
        // An io_context stays at work while it has a coroutine, whatever that waits for.
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        start(Done<T>([shared](absl::StatusOr<T> result) {
          Defer(shared->get_executor(), [shared, result = std::move(result)]() mutable {
            auto handler = std::move(*shared);
            handler(std::move(result));
          });
        }));
      },
      asio::use_awaitable, std::move(start));
}

}  // namespace troupe
