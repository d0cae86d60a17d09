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

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/defer.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "tools/base/async.h"

namespace troupe {

template <typename T>
using Done = std::function<void(absl::StatusOr<T>)>;

template <typename T, typename Start>
Async<T> Suspend(Start start) {
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(absl::StatusOr<T>)>(
      [](auto handler, Start start) {
        // The work guard keeps an io_context running while all its coroutines wait elsewhere.
        auto work = asio::make_work_guard(handler);
        auto shared = std::make_shared<std::pair<decltype(handler), decltype(work)>>(
            std::move(handler), std::move(work));
        start(Done<T>([shared](absl::StatusOr<T> result) {
          auto executor = shared->second.get_executor();
          // The thread that calls this goes on with it, if it is one of the executor's.
          asio::defer(executor, [shared, result = std::move(result)]() mutable {
            auto handler = std::move(shared->first);
            shared->second.reset();
            handler(std::move(result));
          });
        }));
      },
      asio::use_awaitable, std::move(start));
}

}  // namespace troupe
