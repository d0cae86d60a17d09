// The gRPC face of the prompts. Thread-safe.
#pragma once

#include "server/scheduler/task_manager.h"
#include "server/services/api_threads.h"
#include "server/services/page_token.h"
#include "server/store/prompt_store.h"
#include "troupe/v1/prompt_service.grpc.pb.h"

namespace troupe {

class PromptServiceImpl : public v1::PromptService::CallbackService {
 public:
  // All outlive the service. `tasks` knows the tasks that are named as evidence.
  PromptServiceImpl(StoredPrompts* prompts, TaskManager* tasks, const PageTokens* tokens,
                    ApiThreads* threads)
      : prompts_(prompts), tasks_(tasks), tokens_(tokens), threads_(threads) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* ListPrompts(Context* context, const v1::ListPromptsRequest* request,
                                        v1::ListPromptsResponse* response) override;
  grpc::ServerUnaryReactor* GetPrompt(Context* context, const v1::GetPromptRequest* request,
                                      v1::GetPromptResponse* response) override;
  grpc::ServerUnaryReactor* GetPromptVersion(Context* context,
                                             const v1::GetPromptVersionRequest* request,
                                             v1::GetPromptVersionResponse* response) override;
  grpc::ServerUnaryReactor* DiffPromptVersions(Context* context,
                                               const v1::DiffPromptVersionsRequest* request,
                                               v1::DiffPromptVersionsResponse* response) override;
  grpc::ServerUnaryReactor* CreatePrompt(Context* context, const v1::CreatePromptRequest* request,
                                         v1::CreatePromptResponse* response) override;
  grpc::ServerUnaryReactor* CreatePromptVersion(Context* context,
                                                const v1::CreatePromptVersionRequest* request,
                                                v1::CreatePromptVersionResponse* response) override;
  grpc::ServerUnaryReactor* PromotePrompt(Context* context, const v1::PromotePromptRequest* request,
                                          v1::PromotePromptResponse* response) override;
  grpc::ServerUnaryReactor* RollbackPrompt(Context* context,
                                           const v1::RollbackPromptRequest* request,
                                           v1::RollbackPromptResponse* response) override;

 private:
  // What of a version a name names.
  struct Named {
    PromptRecord prompt;
    size_t index = 0;  // in prompt.versions
  };
  absl::StatusOr<Named> FindVersion(const std::string& name, const std::string& field) const;
  // kNotFound, with the field, unless `name` is empty or that of a task.
  absl::Status CheckTask(const std::string& name, const std::string& field) const;
  // kNoRecordedWin if a result in the task's record was put there by a fork.
  absl::Status CheckGenuine(const std::string& task) const;

  StoredPrompts* const prompts_;
  TaskManager* const tasks_;
  const PageTokens* const tokens_;
  ApiThreads* const threads_;
};

}  // namespace troupe
