// StepWait: a call that waits for the end of an optimizer's step, at most for some time. Woken when
// the step's task grows; holds no thread meanwhile.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/time/time.h>

#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>

#include "server/services/optimizers.h"
#include "server/services/watch_stream.h"
#include "tools/base/mutex.h"

namespace troupe {

class StepWait : public std::enable_shared_from_this<StepWait> {
 public:
  // Told, on one of the threads, once: the step when it has ended, or as it is when the time is
  // over or the server closes.
  using Done = std::function<void(absl::StatusOr<v1::OptimizerStep>)>;

  // All but `done` outlive the wait.
  static void Start(Optimizers* optimizers, OpenStreams* open, asio::thread_pool& threads,
                    v1::OptimizerStep step, absl::Duration time, Done done);

 private:
  StepWait(Optimizers* optimizers, OpenStreams* open, asio::thread_pool& threads, std::string name,
           Done done)
      : optimizers_(optimizers),
        open_(open),
        threads_(threads),
        name_(std::move(name)),
        done_(std::move(done)),
        timer_(threads) {}

  void Open(const std::string& task, absl::Duration time);
  // Looks on one of the threads; `last`: whatever there is, the call ends.
  void Look(bool last);
  void Finish(absl::StatusOr<v1::OptimizerStep> step);

  Optimizers* const optimizers_;
  OpenStreams* const open_;
  asio::thread_pool& threads_;
  const std::string name_;
  const Done done_;
  uint64_t open_id_ = 0;

  Mutex mutex_;
  std::unique_ptr<EventHub::Subscription> subscription_ ABSL_GUARDED_BY(mutex_);
  asio::steady_timer timer_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<StepWait> self_ ABSL_GUARDED_BY(mutex_);
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;  // a look is under way, or about to be
  bool again_ ABSL_GUARDED_BY(mutex_) = false;    // something came meanwhile
  bool last_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace troupe
