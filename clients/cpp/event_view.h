// EventView: how a task's events are shown while it is watched. Views are used by one thread.
#pragma once

#include <memory>
#include <string>

#include "clients/cpp/watch.h"
#include "troupe/v1/task_service.pb.h"

namespace troupe::client {

class EventView {
 public:
  virtual ~EventView() = default;
  virtual void Show(const v1::WatchTaskResponse& event) = 0;
};

// One event a line of JSON; lines of text; or, on a terminal, a tree that is drawn in place until
// the view is destroyed and then stays.
std::unique_ptr<EventView> MakeEventView(const WatchSettings& settings);

}  // namespace troupe::client
