// Tasks made from the record of another: forks and replays.
#include <fmt/format.h>

#include <filesystem>

#include "server/scheduler/check_spec.h"
#include "server/scheduler/resource_name.h"
#include "server/scheduler/task_copy.h"
#include "server/scheduler/task_identity.h"
#include "server/scheduler/task_manager.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

absl::Status CopyFiles(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  if (!std::filesystem::exists(from, error)) return absl::OkStatus();
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, error);
  if (!error) return absl::OkStatus();
  return Error(Reason::kStoreFailed,
               fmt::format("copying {} failed: {}", from.string(), error.message()));
}

}  // namespace

absl::StatusOr<LiveTask::Snapshot> TaskManager::Fork(const v1::ForkTaskRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  RETURN_IF_ERROR(CheckTaskId(request.task_id()));
  const std::string request_hash = RequestHash(request);
  if (!request.request_id().empty()) {
    const auto earlier = EarlierSubmission(request.request_id(), request_hash);
    if (earlier.ok()) return Get(earlier->name);
    if (earlier.status().code() != absl::StatusCode::kNotFound) return earlier.status();
  }
  ASSIGN_OR_RETURN(const SpanName name, ParseTaskOrSpan(request.name()));
  ASSIGN_OR_RETURN(const TaskRow source, ReadRow(name.task));
  ASSIGN_OR_RETURN(const std::vector<SpanRecord> spans, store_->LoadSpans(name.task));
  TaskCopy copy = CopyEffects(name.task, spans, name.span);
  if (name.span != 0) {
    RETURN_IF_ERROR(AddReplaced(copy, spans, name.span, request));
  } else if (request.replacement_case() != v1::ForkTaskRequest::REPLACEMENT_NOT_SET) {
    return Error(Reason::kInvalidField,
                 "name: a replacement needs the span whose result it replaces",
                 {{"field", "name"}});
  }
  TaskRow row;
  row.create_time = row.update_time = services_.now();
  row.name = request.task_id().empty() ? NewTaskId(row.create_time) : request.task_id();
  row.kind = source.kind;
  row.title = source.title;
  row.labels = source.labels;
  row.state = v1::Task::STATE_PENDING;
  row.seed = request.seed() != 0 ? request.seed() : source.seed;
  row.request_id = request.request_id();
  row.request_hash = request_hash;
  row.forked_from = request.name();
  v1::TaskSpec spec;
  spec.ParseFromString(source.spec);
  for (const auto& [role, model] : request.models()) (*spec.mutable_models())[role] = model;
  for (const auto& [prompt, version] : request.prompts()) {
    (*spec.mutable_prompts())[prompt] = version;
  }
  v1::SubmitTaskRequest as_submitted;
  *as_submitted.mutable_spec() = spec;
  as_submitted.mutable_spec()->clear_inputs();  // they are copied from the source's folder
  RETURN_IF_ERROR(Check(as_submitted));
  row.spec = spec.SerializeAsString();
  if (ReadRow(row.name).ok()) {
    return Error(Reason::kAlreadyExists, fmt::format("the task 'tasks/{}' exists", row.name),
                 {{"field", "task_id"}});
  }
  std::error_code ignored;
  std::filesystem::create_directories(WorkspaceOf(row.name).root, ignored);
  RETURN_IF_ERROR(CopyFiles(WorkspaceOf(name.task).inputs(), WorkspaceOf(row.name).inputs()));
  RETURN_IF_ERROR(CopyFiles(WorkspaceOf(name.task).artifacts(), WorkspaceOf(row.name).artifacts()));
  return Accept(std::move(row), &copy);
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::Replay(const v1::ReplayTaskRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const std::string request_hash = RequestHash(request);
  if (!request.request_id().empty()) {
    const auto earlier = EarlierSubmission(request.request_id(), request_hash);
    if (earlier.ok()) return Get(earlier->name);
    if (earlier.status().code() != absl::StatusCode::kNotFound) return earlier.status();
  }
  ASSIGN_OR_RETURN(const SpanName name, ParseTaskOrSpan(request.name()));
  ASSIGN_OR_RETURN(TaskRow row, ReadRow(name.task));
  if (row.end_time == absl::InfinitePast()) {
    return Error(Reason::kTaskNotTerminal,
                 fmt::format("the task 'tasks/{}' has not ended: replay it when it has", name.task),
                 {{"name", request.name()}});
  }
  ASSIGN_OR_RETURN(const std::vector<SpanRecord> spans, store_->LoadSpans(name.task));
  TaskCopy copy = CopyEffects(name.task, spans, 0);
  TaskRow replay;
  replay.create_time = replay.update_time = services_.now();
  replay.name = NewTaskId(replay.create_time);
  replay.kind = row.kind;
  replay.title = row.title;
  replay.labels = row.labels;
  replay.state = v1::Task::STATE_PENDING;
  replay.seed = row.seed;
  replay.spec = row.spec;
  replay.request_id = request.request_id();
  replay.request_hash = request_hash;
  replay.replay_of = "tasks/" + name.task;
  std::error_code ignored;
  std::filesystem::create_directories(WorkspaceOf(replay.name).root, ignored);
  RETURN_IF_ERROR(
      CopyFiles(WorkspaceOf(name.task).artifacts(), WorkspaceOf(replay.name).artifacts()));
  return Accept(std::move(replay), &copy);
}

}  // namespace troupe
