#include "server/scheduler/event_hub.h"

namespace troupe {

std::unique_ptr<EventHub::Subscription> EventHub::Subscribe(const std::string& task_id,
                                                            std::function<void()> wake) {
  MutexLock lock(&mutex_);
  const uint64_t id = next_id_++;
  watchers_[task_id].emplace(id, std::move(wake));
  return std::make_unique<Subscription>(this, task_id, id);
}

EventHub::Subscription::~Subscription() {
  MutexLock lock(&hub_->mutex_);
  const auto found = hub_->watchers_.find(task_id_);
  if (found == hub_->watchers_.end()) return;
  found->second.erase(id_);
  if (found->second.empty()) hub_->watchers_.erase(found);
}

void EventHub::Notify(const std::string& task_id) {
  MutexLock lock(&mutex_);
  const auto found = watchers_.find(task_id);
  if (found == watchers_.end()) return;
  for (const auto& [id, wake] : found->second) wake();
}

size_t EventHub::watchers(const std::string& task_id) const {
  MutexLock lock(&mutex_);
  const auto found = watchers_.find(task_id);
  return found == watchers_.end() ? 0 : found->second.size();
}

}  // namespace troupe
