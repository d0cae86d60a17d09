#include "server/services/convert.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include "agents/runtime/content.h"
#include "server/services/errors.h"
#include "server/services/task_excerpt.h"
#include "tools/base/error.h"
#include "tools/room.h"

namespace troupe {
namespace {

using google::protobuf::util::TimeUtil;

v1::PendingQuestion QuestionMessage(const std::string& task, const PendingQuestion& pending,
                                    int64_t sequence) {
  v1::PendingQuestion message;
  message.set_name(fmt::format("tasks/{}/questions/{}", task, sequence));
  message.set_kind(static_cast<v1::PendingQuestion::Kind>(pending.question.kind));
  message.set_prompt(pending.question.prompt);
  for (const std::string& choice : pending.question.choices) message.add_choices(choice);
  if (!pending.question.schema.is_null()) {
    message.set_json_schema(DumpJson(pending.question.schema));
  }
  if (!pending.question.detail.is_null())
    message.set_detail_json(DumpJson(pending.question.detail));
  *message.mutable_ask_time() = TimestampOf(pending.asked);
  return message;
}

}  // namespace

google::protobuf::Timestamp TimestampOf(absl::Time time) {
  return TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

v1::Task TaskMessage(const LiveTask::Snapshot& snapshot, const Workspace& workspace,
                     TaskDetail detail) {
  const TaskRow& row = snapshot.row;
  v1::Task task;
  task.set_name("tasks/" + row.name);
  task.set_state(static_cast<v1::Task::State>(row.state));
  task.set_kind(row.kind);
  task.mutable_spec()->ParseFromString(row.spec);
  task.set_title(row.title);
  *task.mutable_create_time() = TimestampOf(row.create_time);
  *task.mutable_update_time() = TimestampOf(row.update_time);
  if (row.start_time != absl::InfinitePast()) {
    *task.mutable_start_time() = TimestampOf(row.start_time);
  }
  if (row.end_time != absl::InfinitePast()) *task.mutable_end_time() = TimestampOf(row.end_time);
  if (!row.error.empty()) *task.mutable_error() = RpcStatus(StatusFromText(row.error));
  if (row.usage.empty()) {
    *task.mutable_usage() = UsageMessage(snapshot.usage);
  } else {
    task.mutable_usage()->ParseFromString(row.usage);
  }
  task.set_forked_from(row.forked_from);
  task.set_replay_of(row.replay_of);
  task.set_seed(row.seed);
  task.set_etag(std::to_string(row.revision));
  if (detail == TaskDetail::kListed) {
    // A page of them would be too large for a message.
    if (task.spec().has_optimizer_step()) {
      task.mutable_spec()->mutable_optimizer_step()->clear_graph();
      task.mutable_spec()->mutable_optimizer_step()->clear_state_json();
    }
    return task;
  }
  task.set_last_sequence(snapshot.last_sequence);
  if (!row.result.empty()) {
    task.mutable_result()->ParseFromString(row.result);
    for (v1::Artifact& artifact : *task.mutable_result()->mutable_artifacts()) {
      artifact.set_path(ArtifactPath(workspace, artifact.name()).string());
      artifact.set_name(fmt::format("tasks/{}/artifacts/{}", row.name, artifact.name()));
    }
  }
  for (const PendingQuestion& pending : snapshot.questions) {
    *task.add_pending_questions() = QuestionMessage(row.name, pending, pending.sequence);
  }
  FitIntoMessage(task);
  return task;
}

v1::Span SpanMessage(const StoredSpan& span) {
  const SpanRecord& record = span.record;
  v1::Span message;
  message.set_name(fmt::format("tasks/{}/spans/{}", span.task, record.begin_sequence));
  message.set_path(record.path);
  message.set_kind(static_cast<v1::Span::Kind>(record.kind));
  message.set_type(record.type);
  message.set_title(record.title);
  message.set_state(static_cast<v1::Span::State>(record.state));
  *message.mutable_begin_time() = TimestampOf(record.begin_time);
  message.set_begin_sequence(record.begin_sequence);
  message.set_end_sequence(record.end_sequence);
  if (record.end_sequence != 0) *message.mutable_end_time() = TimestampOf(record.end_time);
  if (!record.error.empty()) *message.mutable_error() = RpcStatus(StatusFromText(record.error));
  if (!record.attributes.empty()) {
    google::protobuf::util::JsonStringToMessage(DumpJson(record.attributes),
                                                message.mutable_attributes())
        .ok();
  }
  *message.mutable_usage() = UsageMessage(record.usage);
  message.set_model(record.model);
  message.set_role(record.role);
  message.set_tool(record.tool);
  message.set_request_sha256(record.request_hash.hex());
  return message;
}

void AddContents(const StoredSpan& span, const ReadContentFn& read, v1::Span& message) {
  const SpanRecord& record = span.record;
  if (!record.request_hash.empty()) {
    const auto request = ExpandForReading(record.request_hash, ReadOf(record, read), false);
    if (request.ok()) message.set_request_json(DumpJson(*request));
  }
  if (!record.result_hash.empty()) {
    const auto response = ExpandForReading(record.result_hash, ReadOf(record, read), false);
    if (response.ok()) message.set_response_json(DumpJson(*response));
  }
}

}  // namespace troupe
