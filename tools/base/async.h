// The shape of everything that takes time: a coroutine that ends with a status or a value.
//
//   Async<int> Twice(int x) { co_return 2 * x; }
//   CO_ASSIGN_OR_RETURN(int y, co_await Twice(4));
//
// Coroutines take their parameters by value (a reference may dangle while they are suspended).
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <asio/awaitable.hpp>

namespace troupe {

template <typename T>
using Async = asio::awaitable<absl::StatusOr<T>>;

using AsyncStatus = asio::awaitable<absl::Status>;

}  // namespace troupe
