// How a unary method is answered: its work, which may wait for the store, runs on the API's
// threads, so that gRPC's own never block.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <asio/post.hpp>
#include <exception>
#include <functional>
#include <utility>

#include "server/services/api_threads.h"
#include "server/services/errors.h"
#include "tools/base/error.h"

namespace troupe {

// Finishes a call; to be called once, from any thread.
using FinishCall = std::function<void(const absl::Status&)>;

// Runs `work` on `threads`; it, or what it starts, calls the function that it is given at the end.
template <typename Work>
grpc::ServerUnaryReactor* AnswerLater(grpc::CallbackServerContext* context, ApiThreads& threads,
                                      Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (const absl::Status full = threads.Enter(); !full.ok()) {
    reactor->Finish(GrpcStatus(full));
    return reactor;
  }
  asio::post(threads.pool(), [reactor, &threads, work = std::move(work)] {
    const FinishCall finish = [reactor, &threads](const absl::Status& status) {
      threads.Leave();
      reactor->Finish(GrpcStatus(status));
    };
    try {
      work(finish);
    } catch (const std::exception&) {
      finish(Error(Reason::kInternal, "the server failed unexpectedly; its log says more"));
    }
  });
  return reactor;
}

// Runs `work` on `threads` and finishes the call with its status.
template <typename Work>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, ApiThreads& threads,
                                 Work work) {
  return AnswerLater(context, threads,
                     [work = std::move(work)](const FinishCall& finish) { finish(work()); });
}

}  // namespace troupe
