// Running something later on an executor of any type. Stateless.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/defer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <typeinfo>
#include <utility>

namespace troupe {

// Runs `function` on `executor` behind what that does now, on the calling thread if it is one of
// the executor's. asio copies an executor of any type on the heap for each property that it asks of
// it; the strand of a pool, on which all tasks of a server run, it need not.
template <typename Function>
void Defer(const asio::any_io_executor& executor, Function function) {
  using PoolStrand = asio::strand<asio::thread_pool::executor_type>;
  // target() itself does not look at the type.
  if (executor.target_type() == typeid(PoolStrand)) {
    asio::defer(*executor.target<PoolStrand>(), std::move(function));
  } else {
    asio::defer(executor, std::move(function));
  }
}

}  // namespace troupe
