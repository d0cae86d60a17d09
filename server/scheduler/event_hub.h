// EventHub: tells those who watch a task that its journal grew. It carries no events: watchers read
// them from the store, so a slow one holds nothing up and misses nothing.
//
// Thread-safe.
#pragma once

#include <absl/base/thread_annotations.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tools/base/mutex.h"

namespace troupe {

class EventHub {
 public:
  // Keeps a watcher registered while it lives.
  class Subscription {
   public:
    Subscription(EventHub* hub, std::string task_id, uint64_t id)
        : hub_(hub), task_id_(std::move(task_id)), id_(id) {}
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    EventHub* hub_;
    std::string task_id_;
    uint64_t id_;
  };

  // `wake` is called from the store's thread under the hub's lock: it must only hand over, and must
  // not unsubscribe. The hub outlives the subscription.
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(const std::string& task_id,
                                                        std::function<void()> wake);
  void Notify(const std::string& task_id);

  size_t watchers(const std::string& task_id) const;

 private:
  mutable Mutex mutex_;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, std::map<uint64_t, std::function<void()>>> watchers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
