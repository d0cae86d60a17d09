// The gRPC face of Optimizers.
#pragma once

#include "server/services/api_threads.h"
#include "server/services/optimizers.h"
#include "server/services/page_token.h"
#include "server/services/watch_stream.h"
#include "troupe/v1/optimizer_service.grpc.pb.h"

namespace troupe {

class OptimizerServiceImpl : public v1::OptimizerService::CallbackService {
 public:
  // All outlive the service.
  OptimizerServiceImpl(Optimizers* optimizers, const PageTokens* tokens, OpenStreams* streams,
                       ApiThreads* threads)
      : optimizers_(optimizers), tokens_(tokens), streams_(streams), threads_(threads) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* CreateOptimizer(Context* context,
                                            const v1::CreateOptimizerRequest* request,
                                            v1::CreateOptimizerResponse* response) override;
  grpc::ServerUnaryReactor* GetOptimizer(Context* context, const v1::GetOptimizerRequest* request,
                                         v1::GetOptimizerResponse* response) override;
  grpc::ServerUnaryReactor* ListOptimizers(Context* context,
                                           const v1::ListOptimizersRequest* request,
                                           v1::ListOptimizersResponse* response) override;
  grpc::ServerUnaryReactor* DeleteOptimizer(Context* context,
                                            const v1::DeleteOptimizerRequest* request,
                                            v1::DeleteOptimizerResponse* response) override;
  grpc::ServerUnaryReactor* Step(Context* context, const v1::StepRequest* request,
                                 v1::StepResponse* response) override;
  grpc::ServerUnaryReactor* GetStep(Context* context, const v1::GetStepRequest* request,
                                    v1::GetStepResponse* response) override;
  grpc::ServerUnaryReactor* ListSteps(Context* context, const v1::ListStepsRequest* request,
                                      v1::ListStepsResponse* response) override;
  grpc::ServerUnaryReactor* ReportScore(Context* context, const v1::ReportScoreRequest* request,
                                        v1::ReportScoreResponse* response) override;
  grpc::ServerUnaryReactor* Revert(Context* context, const v1::RevertRequest* request,
                                   v1::RevertResponse* response) override;
  grpc::ServerUnaryReactor* GetBest(Context* context, const v1::GetBestRequest* request,
                                    v1::GetBestResponse* response) override;

 private:
  Optimizers* const optimizers_;
  const PageTokens* const tokens_;
  OpenStreams* const streams_;
  ApiThreads* const threads_;
};

}  // namespace troupe
