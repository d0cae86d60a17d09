// What tools tell of their work while they do it, as progress of the call's span: a bounded number
// of lines, none before another that is not at least a moment older.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agents/runtime/task_run.h"

namespace troupe {

// For one call. Thread-confined to the task's strand, but for what function() returns.
class ProgressRelay {
 public:
  ProgressRelay(std::shared_ptr<TaskRun> run, std::string path);

  // To be called by the tool, from any thread, at any time, even when the call has ended.
  std::function<void(std::string_view)> function() const;

  // What is told from now on is not heard.
  void Close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace troupe
