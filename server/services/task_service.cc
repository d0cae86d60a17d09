#include "server/services/task_service.h"

#include <fmt/format.h>

#include <fstream>

#include "server/scheduler/resource_name.h"
#include "server/services/chunk_stream.h"
#include "server/services/convert.h"
#include "server/services/filter.h"
#include "server/services/unary.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/room.h"

namespace troupe {
namespace {

constexpr int kHeartbeatSeconds = 15;
constexpr int kMaxHeartbeatSeconds = 300;

v1::WatchTaskResponse Heartbeat() {
  v1::WatchTaskResponse message;
  message.mutable_heartbeat();
  *message.mutable_time() = TimestampOf(absl::Now());
  return message;
}

void EncodeRecord(const std::string& task, const EventRecord& event,
                  v1::WatchTaskResponse& message) {
  switch (event.type) {
    case EventType::kState: {
      v1::Task::State state = v1::Task::STATE_UNSPECIFIED;
      v1::Task::State_Parse(event.text, &state);
      message.mutable_state_changed()->set_state(state);
      break;
    }
    case EventType::kProgress:
      message.mutable_progress()->set_path(event.path);
      message.mutable_progress()->set_text(event.text);
      break;
    case EventType::kQuestion:
      message.mutable_question_asked()->set_name(
          fmt::format("tasks/{}/questions/{}", task, event.path));
      message.mutable_question_asked()->set_prompt(event.text);
      break;
    case EventType::kAnswer:
      message.mutable_question_answered()->set_name(
          fmt::format("tasks/{}/questions/{}", task, event.path));
      message.mutable_question_answered()->set_answer_json(event.text);
      break;
  }
}

std::unique_ptr<v1::WatchTaskResponse> EncodeEvent(const std::string& task, const TaskEvent& event,
                                                   bool last) {
  auto message = std::make_unique<v1::WatchTaskResponse>();
  message->set_sequence(event.sequence);
  *message->mutable_time() = TimestampOf(event.time);
  message->set_last(last);
  if (const auto* began = std::get_if<SpanBegan>(&event.what)) {
    StoredSpan as_begun = began->span;
    as_begun.record.state = SpanState::kRunning;
    as_begun.record.end_sequence = 0;
    as_begun.record.error.clear();
    as_begun.record.usage = Usage();
    as_begun.record.attributes = nullptr;
    *message->mutable_span_started()->mutable_span() = SpanMessage(as_begun);
  } else if (const auto* ended = std::get_if<SpanFinished>(&event.what)) {
    *message->mutable_span_ended()->mutable_span() = SpanMessage(ended->span);
  } else {
    EncodeRecord(task, std::get<EventRecord>(event.what), *message);
  }
  return message;
}

}  // namespace

v1::Task TaskServiceImpl::Message(const LiveTask::Snapshot& snapshot) const {
  return TaskMessage(snapshot, manager_->WorkspaceOf(snapshot.row.name), TaskDetail::kFull);
}

grpc::ServerUnaryReactor* TaskServiceImpl::SubmitTask(Context* context,
                                                      const v1::SubmitTaskRequest* request,
                                                      v1::SubmitTaskResponse* response) {
  if (request->validate_only()) {
    return Answer(context, *threads_, [=, this]() -> absl::Status {
      ASSIGN_OR_RETURN(const auto problems, manager_->FindProblems(*request));
      for (const SpecProblem& problem : problems) {
        v1::FieldProblem& message = *response->add_problems();
        message.set_field(problem.field);
        message.set_problem(problem.what);
      }
      return absl::OkStatus();
    });
  }
  return AnswerLater(context, *threads_, [=, this](const FinishCall& finish) {
    manager_->Submit(*request, [=, this](const absl::StatusOr<LiveTask::Snapshot>& accepted) {
      if (accepted.ok()) *response->mutable_task() = Message(*accepted);
      finish(accepted.status());
    });
  });
}

grpc::ServerUnaryReactor* TaskServiceImpl::GetTask(Context* context,
                                                   const v1::GetTaskRequest* request,
                                                   v1::GetTaskResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseTaskName(request->name()));
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Get(id));
    *response->mutable_task() = Message(snapshot);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TaskServiceImpl::ListTasks(Context* context,
                                                     const v1::ListTasksRequest* request,
                                                     v1::ListTasksResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    TaskListing listing;
    ASSIGN_OR_RETURN(listing.limit, PageSize(request->page_size(), 50, 1000));
    ASSIGN_OR_RETURN(listing.condition, CompileFilter(request->filter(), TaskFilterFields()));
    const std::string arguments = "ListTasks\n" + request->filter();
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), arguments));
    listing.before_time = key.first;
    listing.before_key = key.second;
    std::vector<TaskRow> rows;
    RETURN_IF_ERROR(manager_->store().Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(rows, troupe::ListTasks(connection, listing));
      return absl::OkStatus();
    }));
    for (TaskRow& row : rows) {
      LiveTask::Snapshot snapshot;
      snapshot.row = row;
      *response->add_tasks() = TaskMessage(snapshot, Workspace(), TaskDetail::kListed);
    }
    if (rows.size() == static_cast<size_t>(listing.limit)) {
      response->set_next_page_token(
          tokens_->Make({absl::ToUnixMicros(rows.back().create_time), rows.back().key}, arguments));
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchTaskResponse>* TaskServiceImpl::WatchTask(
    Context* context, const v1::WatchTaskRequest* request) {
  WatchOptions options;
  absl::Status valid;
  const auto id = ParseTaskName(request->name());
  const int seconds =
      request->heartbeat_seconds() == 0 ? kHeartbeatSeconds : request->heartbeat_seconds();
  if (!id.ok()) {
    valid = id.status();
  } else if (request->after_sequence() < 0) {
    valid = Error(Reason::kInvalidField, "after_sequence: must not be negative",
                  {{"field", "after_sequence"}});
  } else if (seconds < 1 || seconds > kMaxHeartbeatSeconds) {
    valid = Error(Reason::kInvalidField, "heartbeat_seconds: must be 1 to 300, or 0 for 15",
                  {{"field", "heartbeat_seconds"}});
  }
  if (!valid.ok()) return FailedStream<v1::WatchTaskResponse>(valid);
  options.task_id = *id;
  options.connection = context->peer();
  options.after_sequence = request->after_sequence();
  options.heartbeat = absl::Seconds(seconds);
  WatchCodec<v1::WatchTaskResponse> codec;
  codec.encode = [task = *id](const TaskEvent& event, bool last) {
    return EncodeEvent(task, event, last);
  };
  codec.heartbeat = Heartbeat;
  return WatchStream<v1::WatchTaskResponse>::Start(manager_, streams_, threads_->pool(),
                                                   std::move(options), std::move(codec));
}

grpc::ServerUnaryReactor* TaskServiceImpl::CancelTask(Context* context,
                                                      const v1::CancelTaskRequest* request,
                                                      v1::CancelTaskResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseTaskName(request->name()));
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Cancel(id, request->reason()));
    *response->mutable_task() = Message(snapshot);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TaskServiceImpl::RespondToTask(Context* context,
                                                         const v1::RespondToTaskRequest* request,
                                                         v1::RespondToTaskResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const SpanName name, ParseTaskOrQuestion(request->name()));
    Json answer;
    switch (request->answer_case()) {
      case v1::RespondToTaskRequest::kText:
        answer = request->text();
        break;
      case v1::RespondToTaskRequest::kJson: {
        auto parsed = ParseJson(request->json(), "json");
        if (!parsed.ok()) {
          return Error(Reason::kInvalidField, MessageOf(parsed.status()), {{"field", "json"}});
        }
        answer = *std::move(parsed);
        break;
      }
      default:
        return Error(Reason::kInvalidField, "answer: give text or json", {{"field", "answer"}});
    }
    RETURN_IF_ERROR(manager_->Respond(name.task, name.span, std::move(answer)));
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Get(name.task));
    *response->mutable_task() = Message(snapshot);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TaskServiceImpl::ForkTask(Context* context,
                                                    const v1::ForkTaskRequest* request,
                                                    v1::ForkTaskResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Fork(*request));
    *response->mutable_task() = Message(snapshot);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TaskServiceImpl::ReplayTask(Context* context,
                                                      const v1::ReplayTaskRequest* request,
                                                      v1::ReplayTaskResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, manager_->Replay(*request));
    *response->mutable_task() = Message(snapshot);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TaskServiceImpl::DeleteTask(Context* context,
                                                      const v1::DeleteTaskRequest* request,
                                                      v1::DeleteTaskResponse*) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseTaskName(request->name()));
    return manager_->Delete(id, request->force());
  });
}

grpc::ServerWriteReactor<v1::ReadArtifactResponse>* TaskServiceImpl::ReadArtifact(
    Context*, const v1::ReadArtifactRequest* request) {
  const auto name = ParseArtifactName(request->name());
  auto file = std::make_shared<std::ifstream>();
  absl::Status opened = name.status();
  if (opened.ok()) {
    file->open(ArtifactPath(manager_->WorkspaceOf(name->task), name->file), std::ios::binary);
    if (!*file) {
      opened = Error(Reason::kNotFound, fmt::format("there is no file '{}'", request->name()),
                     {{"name", request->name()}});
    }
  }
  return ChunkStream<v1::ReadArtifactResponse>::Start(
      threads_->pool(), [file, opened](std::string* chunk) -> absl::Status {
        RETURN_IF_ERROR(opened);
        chunk->resize(kChunkBytes);
        file->read(chunk->data(), static_cast<std::streamsize>(chunk->size()));
        chunk->resize(static_cast<size_t>(file->gcount()));
        return absl::OkStatus();
      });
}

}  // namespace troupe
