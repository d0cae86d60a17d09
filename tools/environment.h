// Environment: a stateful world in which an agent acts, for the search agents: reset it, look at
// it, act in it, keep a state and go back to it. An Environment makes instances; each is one world
// with one state.
//
// Thread-safe; the operations of one instance are asked for one after the other.
#pragma once

#include <absl/time/time.h>

#include <string>

#include "tools/base/async.h"
#include "tools/base/json.h"
#include "tools/tool.h"

namespace troupe {

struct EnvironmentSpec {
  std::string name;                           // [a-z][a-z0-9_.-]{0,63}
  std::string version;                        // changes whenever the environment's meaning does
  std::string description;                    // what an agent reads before it acts
  Json action_schema;                         // JSON Schema of an action
  Json observation_schema;                    // JSON Schema of an observation
  bool snapshots = false;                     // whether states can be kept and gone back to
  int max_instances = 0;                      // at the same time; 0: no limit
  absl::Duration timeout = absl::Minutes(2);  // of one operation
};

// What an agent finds after an operation.
struct EnvironmentState {
  Json observation;
  double reward = 0;  // of the step that led here
  bool done = false;  // the episode is over: reset, or restore
};

// Of each operation: who asks, its place in the task, its deadline and its cancellation.
using EnvironmentContext = ToolContext;

class Environment {
 public:
  virtual ~Environment() = default;

  virtual const EnvironmentSpec& spec() const = 0;

  // `instance` names the world; its first reset makes it. All operations fail with kToolFailed (it
  // could not do its work), kToolArgumentsInvalid (an action that does not fit the schema),
  // kToolInterrupted (it is not known whether the operation took effect: the instance is lost,
  // reset it), kDeadlineExceeded or a cancellation.
  virtual Async<EnvironmentState> Reset(std::string instance, Json settings,
                                        EnvironmentContext context) = 0;
  // Looks without acting.
  virtual Async<EnvironmentState> Observe(std::string instance, EnvironmentContext context) = 0;
  virtual Async<EnvironmentState> Step(std::string instance, Json action,
                                       EnvironmentContext context) = 0;

  // Keeps the state; the name that Restore takes. Of an environment with `snapshots` alone.
  virtual Async<std::string> Snapshot(std::string instance, EnvironmentContext context) = 0;
  virtual Async<EnvironmentState> Restore(std::string instance, std::string snapshot,
                                          EnvironmentContext context) = 0;

  // Lets the instance and its snapshots go.
  virtual AsyncStatus Close(std::string instance, EnvironmentContext context) = 0;
};

}  // namespace troupe
