// Reading and writing task rows. Functions over a connection, for the store alone.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/store/sqlite.h"
#include "server/store/task_row.h"

namespace troupe {

// A condition on tasks compiled from a filter, with the values its ? stand for.
struct SqlCondition {
  std::string sql;  // empty: all
  std::vector<std::string> values;
};

// Inserts the row and its labels; kAlreadyExists if the name is taken. Sets row.key.
absl::Status InsertTask(Connection& connection, TaskRow& row);

// Changes the row's revision alone; kNotFound if the task is gone.
absl::Status TouchTask(Connection& connection, const std::string& name);

// Writes what changes in a task's life: state, times, error, result, usage; counts the revision.
// kNotFound if the task is gone.
absl::Status UpdateTask(Connection& connection, const TaskRow& row);

// kNotFound, naming the task.
absl::StatusOr<TaskRow> ReadTask(Connection& connection, const std::string& name);
absl::StatusOr<int64_t> TaskKey(Connection& connection, const std::string& name);

// What who watches a task needs of its row each time.
struct TaskPulse {
  int64_t key = 0;
  bool ended = false;
};
// kNotFound, naming the task.
absl::StatusOr<TaskPulse> ReadPulse(Connection& connection, const std::string& name);

// The task submitted with `request_id`; kNotFound if none was.
absl::StatusOr<TaskRow> ReadTaskByRequest(Connection& connection, const std::string& request_id);

struct TaskListing {
  SqlCondition condition;
  // Rows strictly older than this key (create time in microseconds, row key); 0, 0: from the
  // newest.
  int64_t before_time = 0;
  int64_t before_key = 0;
  int limit = 50;
};
// Newest first.
absl::StatusOr<std::vector<TaskRow>> ListTasks(Connection& connection, const TaskListing& listing);

// Names of the tasks that have not ended, oldest first.
absl::StatusOr<std::vector<std::string>> UnfinishedTasks(Connection& connection);

// Names of at most `limit` tasks that ended before `before`, oldest first.
absl::StatusOr<std::vector<std::string>> EndedBefore(Connection& connection, absl::Time before,
                                                     int limit);

// Counts the contents that the task `source` uses as used by the task with the key `target` too.
absl::Status ShareContents(Connection& connection, const std::string& source, int64_t target);

// Removes a task with its spans, events, labels and the contents that no other task uses.
absl::Status DeleteTask(Connection& connection, const std::string& name);

}  // namespace troupe
