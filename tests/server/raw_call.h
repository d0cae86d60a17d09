// Calls of any method by its path, with bytes as they are: for requests that no generated stub
// would send, and for services of gRPC's own.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/slowness.h"

namespace troupe {

struct RawReply {
  grpc::Status status;
  std::vector<std::string> messages;
};

// Sends one message and reads at most `most` of those that come back. Ends after 20 seconds at the
// latest, later under sanitizers.
inline RawReply RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                        const std::string& request, size_t most = 1) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(static_cast<int>(20 * Slowness())));
  grpc::CompletionQueue queue;
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  RawReply reply;
  const auto call = stub.PrepareCall(&context, path, &queue);
  call->StartCall(nullptr);
  done();
  const grpc::Slice slice(request);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  done();
  for (;;) {
    grpc::ByteBuffer buffer;
    call->Read(&buffer, nullptr);
    if (!done()) break;
    grpc::Slice whole;
    if (buffer.DumpToSingleSlice(&whole).ok()) {
      reply.messages.emplace_back(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    if (reply.messages.size() >= most) context.TryCancel();
  }
  call->Finish(&reply.status, nullptr);
  done();
  queue.Shutdown();
  while (done()) {
  }
  return reply;
}

}  // namespace troupe
