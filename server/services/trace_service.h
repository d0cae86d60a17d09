// The gRPC face of traces: reads from the store.
#pragma once

#include "server/scheduler/task_manager.h"
#include "server/services/api_threads.h"
#include "server/services/page_token.h"
#include "server/services/watch_stream.h"
#include "troupe/v1/trace_service.grpc.pb.h"

namespace troupe {

class TraceServiceImpl : public v1::TraceService::CallbackService {
 public:
  // All outlive the service.
  TraceServiceImpl(TaskManager* manager, const PageTokens* tokens, OpenStreams* streams,
                   ApiThreads* threads)
      : manager_(manager), tokens_(tokens), streams_(streams), threads_(threads) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* GetTrace(Context* context, const v1::GetTraceRequest* request,
                                     v1::GetTraceResponse* response) override;
  grpc::ServerUnaryReactor* GetSpan(Context* context, const v1::GetSpanRequest* request,
                                    v1::GetSpanResponse* response) override;
  grpc::ServerUnaryReactor* ListSpans(Context* context, const v1::ListSpansRequest* request,
                                      v1::ListSpansResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchSpansResponse>* WatchSpans(
      Context* context, const v1::WatchSpansRequest* request) override;
  grpc::ServerUnaryReactor* SearchSpans(Context* context, const v1::SearchSpansRequest* request,
                                        v1::SearchSpansResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportTraceResponse>* ExportTrace(
      Context* context, const v1::ExportTraceRequest* request) override;
  grpc::ServerUnaryReactor* GetUsage(Context* context, const v1::GetUsageRequest* request,
                                     v1::GetUsageResponse* response) override;
  // diff_traces.cc
  grpc::ServerUnaryReactor* DiffTraces(Context* context, const v1::DiffTracesRequest* request,
                                       v1::DiffTracesResponse* response) override;

 private:
  absl::Status FillTrace(const v1::GetTraceRequest& request, v1::GetTraceResponse& response);
  absl::Status FillDiff(const v1::DiffTracesRequest& request, v1::DiffTracesResponse& response);
  ReadContentFn reader() const;

  TaskManager* const manager_;
  const PageTokens* const tokens_;
  OpenStreams* const streams_;
  ApiThreads* const threads_;
};

}  // namespace troupe
