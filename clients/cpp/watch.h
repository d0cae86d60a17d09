// Following a task to its end. Thread-compatible.
#pragma once

#include <string>

#include "clients/cpp/connection.h"

namespace troupe::client {

struct WatchSettings {
  std::string task;  // "tasks/..."
  int64_t after_sequence = 0;
  bool json = false;   // one event a line
  bool quiet = false;  // states, questions and progress alone
  bool lines = false;  // one event a line of text, on a terminal too
  bool reconnect = true;
};

// Prints events until the task ends, reconnecting (unless told not to) from the last event when the
// stream breaks, and says how to exit by how the task ended. On a terminal they are shown as a tree
// that is drawn in place.
int Watch(Connection& connection, const WatchSettings& settings);

}  // namespace troupe::client
