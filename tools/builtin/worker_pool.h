// WorkerPool: a few threads for work that blocks (disk, SQL, name look-ups), so that tools never
// hold up the thread that calls them. Thread-safe. Destroying it waits for the work under way.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "tools/base/cancel.h"
#include "tools/base/suspend.h"

namespace asio {
class thread_pool;
}

namespace troupe {

class WorkerPool {
 public:
  explicit WorkerPool(int threads);
  ~WorkerPool();

  // Runs `work` on a thread of the pool. kQueueFull if too much waits already; the token's status
  // at once when it is cancelled: work that has not begun is left out then, other work ends
  // unheard.
  template <typename T>
  Async<T> Run(std::function<absl::StatusOr<T>()> work, CancelToken cancel) {
    if (const absl::Status cancelled = cancel.status(); !cancelled.ok()) co_return cancelled;
    CancelRegistration registration;
    co_return co_await Suspend<T>([&](Done<T> done) {
      auto answered = std::make_shared<std::atomic<bool>>(false);
      const absl::Status posted = Post([work = std::move(work), done, answered, cancel] {
        if (*answered) return;
        absl::StatusOr<T> result = work();
        if (const absl::Status cancelled = cancel.status(); !cancelled.ok()) result = cancelled;
        if (!answered->exchange(true)) done(std::move(result));
      });
      if (!posted.ok()) return done(posted);
      registration = cancel.OnCancel([done, answered, cancel] {
        if (!answered->exchange(true)) done(cancel.status());
      });
    });
  }

 private:
  absl::Status Post(std::function<void()> work);

  std::unique_ptr<asio::thread_pool> pool_;
  std::atomic<int> waiting_ = 0;
};

}  // namespace troupe
