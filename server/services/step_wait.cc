#include "server/services/step_wait.h"

#include <asio/post.hpp>

namespace troupe {

void StepWait::Start(Optimizers* optimizers, OpenStreams* open, asio::thread_pool& threads,
                     v1::OptimizerStep step, absl::Duration time, Done done) {
  if (step.state() != v1::OptimizerStep::STATE_RUNNING || time <= absl::ZeroDuration()) {
    return done(std::move(step));
  }
  const std::shared_ptr<StepWait> wait(
      new StepWait(optimizers, open, threads, step.name(), std::move(done)));
  wait->Open(step.task().substr(step.task().find('/') + 1), time);
}

void StepWait::Open(const std::string& task, absl::Duration time) {
  const std::weak_ptr<StepWait> weak = shared_from_this();
  {
    MutexLock lock(&mutex_);
    self_ = shared_from_this();
    looking_ = true;  // nothing ends this before all is in place
    timer_.expires_after(absl::ToChronoNanoseconds(time));
    timer_.async_wait([weak](asio::error_code error) {
      auto wait = weak.lock();
      if (!error && wait != nullptr) wait->Look(/*last=*/true);
    });
  }
  auto subscription = optimizers_->manager().hub().Subscribe(task, [weak] {
    if (auto wait = weak.lock()) wait->Look(/*last=*/false);
  });
  const auto id = open_->Add([weak] {
    if (auto wait = weak.lock()) wait->Look(/*last=*/true);
  });
  {
    MutexLock lock(&mutex_);
    subscription_ = std::move(subscription);
    if (id.ok()) open_id_ = *id;
    looking_ = false;
  }
  // It may have ended before anybody listened.
  Look(/*last=*/!id.ok());
}

void StepWait::Look(bool last) {
  {
    MutexLock lock(&mutex_);
    if (finished_) return;
    last_ = last_ || last;
    again_ = true;
    if (looking_) return;
    looking_ = true;
  }
  asio::post(threads_, [self = shared_from_this()] {
    for (;;) {
      bool at_end = false;
      {
        MutexLock lock(&self->mutex_);
        if (!self->again_ || self->finished_) {
          self->looking_ = false;
          return;
        }
        self->again_ = false;
        at_end = self->last_;
      }
      auto step = self->optimizers_->GetStep(self->name_);
      const bool running = step.ok() && step->state() == v1::OptimizerStep::STATE_RUNNING;
      if (!running || at_end) return self->Finish(std::move(step));
    }
  });
}

void StepWait::Finish(absl::StatusOr<v1::OptimizerStep> step) {
  std::unique_ptr<EventHub::Subscription> subscription;
  std::shared_ptr<StepWait> self;
  {
    MutexLock lock(&mutex_);
    finished_ = true;
    timer_.cancel();
    subscription = std::move(subscription_);
    self = std::move(self_);
  }
  subscription.reset();
  open_->Remove(open_id_);
  done_(std::move(step));
}

}  // namespace troupe
