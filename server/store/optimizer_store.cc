#include "server/store/optimizer_store.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kOptimizerColumns[] = "SELECT id, name, message, state FROM optimizers ";
constexpr char kStepColumns[] =
    "SELECT number, request_id, request_hash, task, running, message FROM optimizer_steps ";

OptimizerRecord OptimizerOf(const Statement& row) {
  return {row.Int(0), row.Text(1), row.Blob(2), row.Text(3)};
}

OptimizerStepRecord StepOf(const Statement& row) {
  OptimizerStepRecord step;
  step.number = static_cast<int32_t>(row.Int(0));
  step.request_id = row.Text(1);
  step.request_hash = row.Blob(2);
  step.task = row.Text(3);
  step.running = row.Int(4) != 0;
  step.message = row.Blob(5);
  return step;
}

}  // namespace

absl::StatusOr<OptimizerRecord> OptimizerStore::Create(OptimizerRecord record) {
  RETURN_IF_ERROR(store_->WriteAndWait([&record](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT 1 FROM optimizers WHERE name = ?"));
    find.Bind(record.name);
    ASSIGN_OR_RETURN(const bool exists, find.Step());
    if (exists) {
      return Error(Reason::kAlreadyExists,
                   fmt::format("there is an optimizer '{}' already", record.name),
                   {{"name", "optimizers/" + record.name}});
    }
    ASSIGN_OR_RETURN(Statement insert, connection.Prepare("INSERT INTO optimizers (name, message, "
                                                          "state) VALUES (?, ?, ?)"));
    insert.Bind(record.name).BindBlob(record.message).Bind(record.state);
    RETURN_IF_ERROR(insert.Run());
    record.key = connection.LastInsertId();
    return absl::OkStatus();
  }));
  return record;
}

absl::StatusOr<OptimizerRecord> OptimizerStore::Get(const std::string& name) const {
  OptimizerRecord record;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare(std::string(kOptimizerColumns) + "WHERE name = ?"));
    find.Bind(name);
    ASSIGN_OR_RETURN(const bool found, find.Step());
    if (!found) {
      return Error(Reason::kNotFound, fmt::format("there is no optimizer '{}'", name),
                   {{"name", "optimizers/" + name}});
    }
    record = OptimizerOf(find);
    return absl::OkStatus();
  }));
  return record;
}

absl::StatusOr<std::vector<OptimizerRecord>> OptimizerStore::List(int64_t before, int limit) const {
  std::vector<OptimizerRecord> records;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement list,
                     connection.Prepare(std::string(kOptimizerColumns) +
                                        "WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2"));
    list.Bind(before).Bind(int64_t{limit});
    for (;;) {
      ASSIGN_OR_RETURN(const bool found, list.Step());
      if (!found) return absl::OkStatus();
      records.push_back(OptimizerOf(list));
    }
  }));
  return records;
}

absl::Status OptimizerStore::Delete(int64_t key) {
  return store_->WriteAndWait([key](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement steps,
                     connection.Prepare("DELETE FROM optimizer_steps WHERE optimizer = ?"));
    steps.Bind(key);
    RETURN_IF_ERROR(steps.Run());
    ASSIGN_OR_RETURN(Statement own, connection.Prepare("DELETE FROM optimizers WHERE id = ?"));
    own.Bind(key);
    return own.Run();
  });
}

absl::Status OptimizerStore::AddStep(int64_t optimizer, const OptimizerStepRecord& step) {
  return store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement insert,
        connection.Prepare("INSERT INTO optimizer_steps (optimizer, number, request_id, "
                           "request_hash, task, running, message) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?)"));
    insert.Bind(optimizer).Bind(int64_t{step.number});
    if (step.request_id.empty()) {
      insert.BindNull().BindNull();
    } else {
      insert.Bind(step.request_id).BindBlob(step.request_hash);
    }
    insert.Bind(step.task).Bind(int64_t{step.running ? 1 : 0}).BindBlob(step.message);
    return insert.Run();
  });
}

absl::Status OptimizerStore::RemoveStep(int64_t optimizer, int32_t number) {
  return store_->WriteAndWait([=](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement remove,
        connection.Prepare("DELETE FROM optimizer_steps WHERE optimizer = ? AND number = ?"));
    remove.Bind(optimizer).Bind(int64_t{number});
    return remove.Run();
  });
}

absl::Status OptimizerStore::UpdateStep(const OptimizerStepRecord& step,
                                        const OptimizerRecord& optimizer) {
  return store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement change,
                     connection.Prepare("UPDATE optimizer_steps SET running = ?, message = ? "
                                        "WHERE optimizer = ? AND number = ?"));
    change.Bind(int64_t{step.running ? 1 : 0}).BindBlob(step.message);
    change.Bind(optimizer.key).Bind(int64_t{step.number});
    RETURN_IF_ERROR(change.Run());
    ASSIGN_OR_RETURN(
        Statement own,
        connection.Prepare("UPDATE optimizers SET message = ?, state = ? WHERE id = ?"));
    own.BindBlob(optimizer.message).Bind(optimizer.state).Bind(optimizer.key);
    return own.Run();
  });
}

absl::StatusOr<std::optional<OptimizerStepRecord>> OptimizerStore::FindWhere(
    const std::string& condition, int64_t optimizer,
    const std::function<void(Statement&)>& bind) const {
  std::optional<OptimizerStepRecord> step;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find, connection.Prepare(std::string(kStepColumns) +
                                                        "WHERE optimizer = ? AND " + condition));
    find.Bind(optimizer);
    bind(find);
    ASSIGN_OR_RETURN(const bool found, find.Step());
    if (found) step = StepOf(find);
    return absl::OkStatus();
  }));
  return step;
}

absl::StatusOr<std::optional<OptimizerStepRecord>> OptimizerStore::FindStep(int64_t optimizer,
                                                                            int32_t number) const {
  return FindWhere("number = ?", optimizer,
                   [number](Statement& find) { find.Bind(int64_t{number}); });
}

absl::StatusOr<std::optional<OptimizerStepRecord>> OptimizerStore::FindRequest(
    int64_t optimizer, const std::string& request_id) const {
  return FindWhere("request_id = ?", optimizer,
                   [&request_id](Statement& find) { find.Bind(request_id); });
}

absl::StatusOr<std::optional<OptimizerStepRecord>> OptimizerStore::FindRunning(
    int64_t optimizer) const {
  return FindWhere("running = 1", optimizer, [](Statement&) {});
}

absl::StatusOr<std::vector<OptimizerStepRecord>> OptimizerStore::ListSteps(int64_t optimizer,
                                                                           int32_t first, int limit,
                                                                           size_t max_bytes) const {
  std::vector<OptimizerStepRecord> steps;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement list, connection.Prepare(std::string(kStepColumns) +
                                                        "WHERE optimizer = ? AND number >= ? "
                                                        "ORDER BY number LIMIT ?"));
    list.Bind(optimizer).Bind(int64_t{first}).Bind(int64_t{limit});
    size_t bytes = 0;
    for (;;) {
      ASSIGN_OR_RETURN(const bool found, list.Step());
      if (!found) return absl::OkStatus();
      OptimizerStepRecord step = StepOf(list);
      bytes += step.message.size();
      if (!steps.empty() && bytes > max_bytes) return absl::OkStatus();
      steps.push_back(std::move(step));
    }
  }));
  return steps;
}

absl::StatusOr<int32_t> OptimizerStore::LastNumber(int64_t optimizer) const {
  int32_t last = 0;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT max(number) FROM optimizer_steps "
                                                        "WHERE optimizer = ?"));
    find.Bind(optimizer);
    RETURN_IF_ERROR(find.Step().status());
    last = static_cast<int32_t>(find.Int(0));
    return absl::OkStatus();
  }));
  return last;
}

}  // namespace troupe
