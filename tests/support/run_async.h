// Runs coroutines to their end in a test.
#pragma once

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <exception>
#include <optional>

#include "tools/base/async.h"

namespace troupe {

template <typename T>
T RunToEnd(asio::awaitable<T> coroutine) {
  asio::io_context io;
  std::optional<T> result;
  asio::co_spawn(io, std::move(coroutine), [&](std::exception_ptr raised, T value) {
    if (raised != nullptr) std::rethrow_exception(raised);
    result = std::move(value);
  });
  io.run();
  return *std::move(result);
}

}  // namespace troupe
