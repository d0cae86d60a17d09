// How a unary method is answered: its work, which may wait for the store, runs on the API's
// threads, so that gRPC's own never block.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <exception>
#include <functional>
#include <utility>

#include "server/services/errors.h"
#include "tools/base/error.h"

namespace troupe {

// Runs `work` on `threads` and finishes the call with its status.
template <typename Work>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, asio::thread_pool& threads,
                                 Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  asio::post(threads, [reactor, work = std::move(work)] {
    absl::Status status;
    try {
      status = work();
    } catch (const std::exception&) {
      status = Error(Reason::kInternal, "the server failed unexpectedly; its log says more");
    }
    reactor->Finish(GrpcStatus(status));
  });
  return reactor;
}

// The same for work that ends later: `work` takes a function that finishes the call, which is to be
// called once, from any thread.
using FinishCall = std::function<void(const absl::Status&)>;
template <typename Work>
grpc::ServerUnaryReactor* AnswerLater(grpc::CallbackServerContext* context,
                                      asio::thread_pool& threads, Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  asio::post(threads, [reactor, work = std::move(work)] {
    const FinishCall finish = [reactor](const absl::Status& status) {
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

}  // namespace troupe
