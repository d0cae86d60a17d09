#include "server/store/task_table.h"

#include <fmt/format.h>

#include "server/store/packed.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::string_view kColumns =
    "id, name, kind, title, state, spec, request_id, request_hash, seed, create_time, start_time, "
    "update_time, end_time, error, result, usage, forked_from, replay_of, revision, spec_size, "
    "result_size";

// A time that has not come is stored as 0.
int64_t Micros(absl::Time time) {
  return time == absl::InfinitePast() ? 0 : absl::ToUnixMicros(time);
}
absl::Time TimeOf(int64_t micros) {
  return micros == 0 ? absl::InfinitePast() : absl::FromUnixMicros(micros);
}

absl::StatusOr<TaskRow> RowOf(const Statement& statement) {
  TaskRow row;
  int column = 0;
  row.key = statement.Int(column++);
  row.name = statement.Text(column++);
  row.kind = statement.Text(column++);
  row.title = statement.Text(column++);
  row.state = static_cast<int>(statement.Int(column++));
  row.spec = statement.Blob(column++);
  row.request_id = statement.Text(column++);
  row.request_hash = statement.Text(column++);
  row.seed = static_cast<uint64_t>(statement.Int(column++));
  row.create_time = TimeOf(statement.Int(column++));
  row.start_time = TimeOf(statement.Int(column++));
  row.update_time = TimeOf(statement.Int(column++));
  row.end_time = TimeOf(statement.Int(column++));
  row.error = statement.Text(column++);
  row.result = statement.Blob(column++);
  row.usage = statement.Blob(column++);
  row.forked_from = statement.Text(column++);
  row.replay_of = statement.Text(column++);
  row.revision = statement.Int(column++);
  ASSIGN_OR_RETURN(row.spec, Unpack(statement.Int(column++), std::move(row.spec)));
  ASSIGN_OR_RETURN(row.result, Unpack(statement.Int(column++), std::move(row.result), row.spec));
  return row;
}

absl::Status ReadLabels(Connection& connection, TaskRow& row) {
  ASSIGN_OR_RETURN(Statement labels,
                   connection.Prepare("SELECT key, value FROM task_labels WHERE task = ?"));
  labels.Bind(row.key);
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, labels.Step());
    if (!found) return absl::OkStatus();
    row.labels[labels.Text(0)] = labels.Text(1);
  }
}

absl::Status NoSuchTask(const std::string& name) {
  return Error(
      Reason::kNotFound,
      fmt::format("there is no task 'tasks/{}': it was never submitted or is deleted", name),
      {{"name", "tasks/" + name}});
}

absl::StatusOr<TaskRow> ReadWhere(Connection& connection, std::string_view column,
                                  const std::string& value) {
  TaskRow row;
  {
    ASSIGN_OR_RETURN(
        Statement statement,
        connection.Prepare(fmt::format("SELECT {} FROM tasks WHERE {} = ?", kColumns, column)));
    statement.Bind(std::string_view(value));
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return NoSuchTask(value);
    ASSIGN_OR_RETURN(row, RowOf(statement));
  }
  RETURN_IF_ERROR(ReadLabels(connection, row));
  return row;
}

absl::StatusOr<std::string> ReadSpec(Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(Statement read,
                   connection.Prepare("SELECT spec_size, spec FROM tasks WHERE name = ?"));
  read.Bind(std::string_view(name));
  ASSIGN_OR_RETURN(const bool found, read.Step());
  if (!found) return NoSuchTask(name);
  return Unpack(read.Int(0), read.Blob(1));
}

absl::StatusOr<std::vector<std::string>> ReadNames(Statement& statement) {
  std::vector<std::string> names;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return names;
    names.push_back(statement.Text(0));
  }
}

}  // namespace

absl::Status InsertTask(Connection& connection, TaskRow& row) {
  if (TaskKey(connection, row.name).ok()) {
    return Error(Reason::kAlreadyExists, fmt::format("the task 'tasks/{}' exists", row.name),
                 {{"name", "tasks/" + row.name}});
  }
  {
    ASSIGN_OR_RETURN(
        Statement insert,
        connection.Prepare("INSERT INTO tasks (name, kind, title, state, spec, request_id, "
                           "request_hash, seed, create_time, update_time, forked_from, replay_of, "
                           "spec_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    insert.Bind(row.name).Bind(row.kind).Bind(row.title).Bind(static_cast<int64_t>(row.state));
    const Packed spec = Pack(row.spec);
    insert.BindBlob(spec.bytes);
    if (row.request_id.empty()) {
      insert.BindNull().BindNull();
    } else {
      insert.Bind(row.request_id).Bind(row.request_hash);
    }
    insert.Bind(static_cast<int64_t>(row.seed)).Bind(Micros(row.create_time));
    insert.Bind(Micros(row.update_time)).Bind(row.forked_from).Bind(row.replay_of);
    insert.Bind(spec.SizeColumn(row.spec));
    RETURN_IF_ERROR(insert.Run());
  }
  row.key = connection.LastInsertId();
  for (const auto& [key, value] : row.labels) {
    ASSIGN_OR_RETURN(
        Statement label,
        connection.Prepare("INSERT INTO task_labels (task, key, value) VALUES (?, ?, ?)"));
    label.Bind(row.key).Bind(key).Bind(value);
    RETURN_IF_ERROR(label.Run());
  }
  return absl::OkStatus();
}

absl::Status UpdateTask(Connection& connection, const TaskRow& row) {
  Packed result;
  if (!row.result.empty()) {
    // A result says much that the spec says too.
    ASSIGN_OR_RETURN(const std::string spec, ReadSpec(connection, row.name));
    result = Pack(row.result, spec);
  }
  ASSIGN_OR_RETURN(
      Statement update,
      connection.Prepare("UPDATE tasks SET state = ?, start_time = ?, update_time = ?, "
                         "end_time = ?, error = ?, result = ?, result_size = ?, usage = ?, "
                         "revision = revision + 1 WHERE name = ?"));
  update.Bind(static_cast<int64_t>(row.state)).Bind(Micros(row.start_time));
  update.Bind(Micros(row.update_time)).Bind(Micros(row.end_time)).Bind(row.error);
  update.BindBlob(result.bytes)
      .Bind(result.SizeColumn(row.result))
      .BindBlob(row.usage)
      .Bind(row.name);
  RETURN_IF_ERROR(update.Run());
  if (connection.Changes() == 0) return NoSuchTask(row.name);
  return absl::OkStatus();
}

absl::Status TouchTask(Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(Statement update, connection.Prepare("UPDATE tasks SET revision = revision + 1 "
                                                        "WHERE name = ?"));
  update.Bind(std::string_view(name));
  RETURN_IF_ERROR(update.Run());
  return connection.Changes() == 0 ? NoSuchTask(name) : absl::OkStatus();
}

absl::StatusOr<TaskRow> ReadTask(Connection& connection, const std::string& name) {
  return ReadWhere(connection, "name", name);
}

absl::StatusOr<int64_t> TaskKey(Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(Statement statement, connection.Prepare("SELECT id FROM tasks WHERE name = ?"));
  statement.Bind(std::string_view(name));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return NoSuchTask(name);
  return statement.Int(0);
}

absl::StatusOr<TaskPulse> ReadPulse(Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare("SELECT id, end_time FROM tasks WHERE name = ?"));
  statement.Bind(std::string_view(name));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return NoSuchTask(name);
  return TaskPulse{statement.Int(0), statement.Int(1) != 0};
}

absl::StatusOr<TaskRow> ReadTaskByRequest(Connection& connection, const std::string& request_id) {
  return ReadWhere(connection, "request_id", request_id);
}

absl::StatusOr<std::vector<TaskRow>> ListTasks(Connection& connection, const TaskListing& listing) {
  std::string where = listing.condition.sql.empty() ? "1" : "(" + listing.condition.sql + ")";
  if (listing.before_key != 0) where += " AND (create_time, id) < (?, ?)";
  std::vector<TaskRow> rows;
  {
    ASSIGN_OR_RETURN(Statement statement,
                     connection.Prepare(fmt::format(
                         "SELECT {} FROM tasks WHERE {} ORDER BY create_time DESC, id DESC LIMIT ?",
                         kColumns, where)));
    for (const std::string& value : listing.condition.values) statement.Bind(value);
    if (listing.before_key != 0) statement.Bind(listing.before_time).Bind(listing.before_key);
    statement.Bind(static_cast<int64_t>(listing.limit));
    for (;;) {
      ASSIGN_OR_RETURN(const bool found, statement.Step());
      if (!found) break;
      ASSIGN_OR_RETURN(rows.emplace_back(), RowOf(statement));
    }
  }
  for (TaskRow& row : rows) RETURN_IF_ERROR(ReadLabels(connection, row));
  return rows;
}

absl::StatusOr<std::vector<std::string>> UnfinishedTasks(Connection& connection) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare("SELECT name FROM tasks WHERE end_time = 0 ORDER BY id"));
  return ReadNames(statement);
}

absl::StatusOr<std::vector<std::string>> EndedBefore(Connection& connection, absl::Time before,
                                                     int limit) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare("SELECT name FROM tasks WHERE end_time > 0 AND end_time < ? "
                                      "ORDER BY id LIMIT ?"));
  statement.Bind(absl::ToUnixMicros(before)).Bind(static_cast<int64_t>(limit));
  return ReadNames(statement);
}

absl::Status ShareContents(Connection& connection, const std::string& source, int64_t target) {
  ASSIGN_OR_RETURN(const int64_t key, TaskKey(connection, source));
  ASSIGN_OR_RETURN(Statement uses,
                   connection.Prepare("INSERT INTO content_uses (task, content) SELECT DISTINCT "
                                      "?, content FROM content_references WHERE task = ?"));
  uses.Bind(target).Bind(key);
  RETURN_IF_ERROR(uses.Run());
  ASSIGN_OR_RETURN(Statement counts,
                   connection.Prepare("UPDATE contents SET uses = uses + 1 WHERE id IN (SELECT "
                                      "content FROM content_uses WHERE task = ?)"));
  counts.Bind(target);
  return counts.Run();
}

absl::Status DeleteTask(Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(const int64_t key, TaskKey(connection, name));
  constexpr std::string_view kDeletes[] = {
      // The index needs the text to forget it.
      "DELETE FROM span_search WHERE rowid IN (SELECT text FROM span_ends WHERE task = ?)",
      "DELETE FROM span_texts WHERE id IN (SELECT text FROM span_ends WHERE task = ?)",
      "UPDATE contents SET uses = uses - used.times FROM (SELECT content, count(*) AS times FROM "
      "content_references WHERE task = ? GROUP BY content) AS used WHERE id = used.content",
      "DELETE FROM content_hashes WHERE half IN (SELECT substr(hash, 1, 16) FROM contents WHERE "
      "uses <= 0 AND id IN (SELECT content FROM content_references WHERE task = ?))",
      "DELETE FROM contents WHERE uses <= 0 AND id IN (SELECT content FROM content_references "
      "WHERE task = ?)",
      "DELETE FROM content_uses WHERE task = ?",
      "DELETE FROM spans WHERE task = ?",
      "DELETE FROM span_ends WHERE task = ?",
      "DELETE FROM events WHERE task = ?",
      "DELETE FROM task_labels WHERE task = ?",
      "DELETE FROM tasks WHERE id = ?"};
  for (std::string_view sql : kDeletes) {
    ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
    statement.Bind(key);
    RETURN_IF_ERROR(statement.Run());
  }
  return absl::OkStatus();
}

}  // namespace troupe
