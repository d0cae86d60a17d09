// The gRPC face of TaskManager: check, translate, call, translate back.
#pragma once

#include "server/scheduler/task_manager.h"
#include "server/services/api_threads.h"
#include "server/services/page_token.h"
#include "server/services/watch_stream.h"
#include "troupe/v1/task_service.grpc.pb.h"

namespace troupe {

class TaskServiceImpl : public v1::TaskService::CallbackService {
 public:
  // All outlive the service.
  TaskServiceImpl(TaskManager* manager, const PageTokens* tokens, OpenStreams* streams,
                  ApiThreads* threads)
      : manager_(manager), tokens_(tokens), streams_(streams), threads_(threads) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* SubmitTask(Context* context, const v1::SubmitTaskRequest* request,
                                       v1::SubmitTaskResponse* response) override;
  grpc::ServerUnaryReactor* GetTask(Context* context, const v1::GetTaskRequest* request,
                                    v1::GetTaskResponse* response) override;
  grpc::ServerUnaryReactor* ListTasks(Context* context, const v1::ListTasksRequest* request,
                                      v1::ListTasksResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchTaskResponse>* WatchTask(
      Context* context, const v1::WatchTaskRequest* request) override;
  grpc::ServerUnaryReactor* CancelTask(Context* context, const v1::CancelTaskRequest* request,
                                       v1::CancelTaskResponse* response) override;
  grpc::ServerUnaryReactor* RespondToTask(Context* context, const v1::RespondToTaskRequest* request,
                                          v1::RespondToTaskResponse* response) override;
  grpc::ServerUnaryReactor* ForkTask(Context* context, const v1::ForkTaskRequest* request,
                                     v1::ForkTaskResponse* response) override;
  grpc::ServerUnaryReactor* ReplayTask(Context* context, const v1::ReplayTaskRequest* request,
                                       v1::ReplayTaskResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTask(Context* context, const v1::DeleteTaskRequest* request,
                                       v1::DeleteTaskResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadArtifactResponse>* ReadArtifact(
      Context* context, const v1::ReadArtifactRequest* request) override;

 private:
  v1::Task Message(const LiveTask::Snapshot& snapshot) const;

  TaskManager* const manager_;
  const PageTokens* const tokens_;
  OpenStreams* const streams_;
  ApiThreads* const threads_;
};

}  // namespace troupe
