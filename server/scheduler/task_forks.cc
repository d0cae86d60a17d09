// Tasks made from the record of another: forks and replays.
#include <fmt/format.h>

#include "server/scheduler/check_spec.h"
#include "server/scheduler/copied_files.h"
#include "server/scheduler/resource_name.h"
#include "server/scheduler/task_copy.h"
#include "server/scheduler/task_identity.h"
#include "server/scheduler/task_manager.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/room.h"

namespace troupe {
namespace {

// A task that begins as `source` did, under a name of its own.
TaskRow RowLike(const TaskRow& source, std::string name, absl::Time now) {
  TaskRow row;
  row.create_time = row.update_time = now;
  row.name = std::move(name);
  row.kind = source.kind;
  row.title = source.title;
  row.labels = source.labels;
  row.state = v1::Task::STATE_PENDING;
  row.seed = source.seed;
  row.spec = source.spec;
  return row;
}

// The spec with the models and prompts that a fork changes.
v1::TaskSpec ChangedSpec(const TaskRow& source, const v1::ForkTaskRequest& request) {
  v1::TaskSpec spec;
  spec.ParseFromString(source.spec);
  for (const auto& [role, model] : request.models()) (*spec.mutable_models())[role] = model;
  for (const auto& [prompt, version] : request.prompts()) {
    (*spec.mutable_prompts())[prompt] = version;
  }
  if (request.seed() != 0) spec.set_seed(request.seed());
  return spec;
}

}  // namespace

absl::StatusOr<TaskCopy> TaskManager::CopyForFork(const v1::ForkTaskRequest& request,
                                                  const SpanName& name) {
  ASSIGN_OR_RETURN(const std::vector<SpanRecord> spans, store_->LoadSpans(name.task));
  const absl::Time now = services_.now();
  ASSIGN_OR_RETURN(TaskCopy copy, CopyBefore(name.task, spans, name.span, now));
  if (request.replacement_case() == v1::ForkTaskRequest::REPLACEMENT_NOT_SET) return copy;
  if (name.span == 0) {
    return Error(Reason::kInvalidField,
                 "name: a replacement needs the span whose result it replaces",
                 {{"field", "name"}});
  }
  const ReplacementRules rules{services_.tools,
                               [this](const Hash& hash) { return store_->ReadContent(hash); }, now};
  RETURN_IF_ERROR(AddReplaced(copy, spans, name.span, request, rules));
  return copy;
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::Fork(const v1::ForkTaskRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  RETURN_IF_ERROR(CheckTaskId(request.task_id()));
  const std::string request_hash = RequestHash(request);
  ASSIGN_OR_RETURN(const auto earlier, EarlierSubmission(request.request_id(), request_hash));
  if (earlier.has_value()) return Get(earlier->name);
  ASSIGN_OR_RETURN(const SpanName name, ParseTaskOrSpan(request.name()));
  ASSIGN_OR_RETURN(const TaskRow source, ReadRow(name.task));
  ASSIGN_OR_RETURN(const TaskCopy copy, CopyForFork(request, name));
  const absl::Time now = services_.now();
  TaskRow row =
      RowLike(source, request.task_id().empty() ? NewTaskId(now) : request.task_id(), now);
  if (request.seed() != 0) row.seed = request.seed();
  row.request_id = request.request_id();
  row.request_hash = request_hash;
  row.forked_from = request.name();
  v1::TaskSpec spec = ChangedSpec(source, request);
  row.spec = spec.SerializeAsString();
  v1::SubmitTaskRequest as_submitted;
  *as_submitted.mutable_spec() = std::move(spec);
  as_submitted.mutable_spec()->clear_inputs();  // they are taken from the source's folder
  RETURN_IF_ERROR(Check(as_submitted));
  if (ReadRow(row.name).ok()) {
    return Error(Reason::kAlreadyExists, fmt::format("the task 'tasks/{}' exists", row.name),
                 {{"field", "task_id"}, {"name", "tasks/" + row.name}});
  }
  return AcceptCopy(std::move(row), copy, [&](const Workspace& from, const Workspace& to) {
    RETURN_IF_ERROR(ShareInputs(from, to));
    return CopyArtifacts(copy, *store_, from, to);
  });
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::AcceptCopy(TaskRow row, const TaskCopy& copy,
                                                           const CopyFiles& copy_files) {
  {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckRoom());
  }
  folders_.Begin(row.name);
  const absl::Status copied = copy_files(WorkspaceOf(copy.source), WorkspaceOf(row.name));
  if (!copied.ok()) {
    folders_.Drop(row.name);
    return copied;
  }
  return AcceptAndWait(std::move(row), copy);
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::Replay(const v1::ReplayTaskRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const std::string request_hash = RequestHash(request);
  ASSIGN_OR_RETURN(const auto earlier, EarlierSubmission(request.request_id(), request_hash));
  if (earlier.has_value()) return Get(earlier->name);
  ASSIGN_OR_RETURN(const SpanName name, ParseTaskOrSpan(request.name()));
  ASSIGN_OR_RETURN(TaskRow row, ReadRow(name.task));
  if (row.end_time == absl::InfinitePast()) {
    return Error(Reason::kTaskNotTerminal,
                 fmt::format("the task 'tasks/{}' has not ended: replay it when it has", name.task),
                 {{"name", request.name()}});
  }
  ASSIGN_OR_RETURN(const std::vector<SpanRecord> spans, store_->LoadSpans(name.task));
  const TaskCopy copy = CopyEffects(name.task, spans);
  const absl::Time now = services_.now();
  TaskRow replay = RowLike(row, NewTaskId(now), now);
  replay.request_id = request.request_id();
  replay.request_hash = request_hash;
  replay.replay_of = "tasks/" + name.task;
  return AcceptCopy(std::move(replay), copy, [&](const Workspace& from, const Workspace& to) {
    return CopyArtifacts(copy, *store_, from, to);
  });
}

absl::StatusOr<std::string> TaskManager::ReplacedIn(const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<SpanRecord> spans, store_->LoadSpans(id));
  for (const SpanRecord& span : spans) {
    if (span.attributes.contains(kReplaced)) return span.path;
  }
  return std::string();
}

}  // namespace troupe
