// Calls of a server that get through a connection which breaks, and a server which is started
// again. Stateless functions.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace troupe::trace {

struct ServerChannel {
  std::string address;
  std::chrono::seconds patience;  // for which it is tried again
  std::shared_ptr<grpc::Channel> channel;
};

// Takes messages of 64 MiB.
std::shared_ptr<grpc::Channel> Connect(const std::string& address);

std::string RandomHex(int digits);
std::string RandomUuid();

// For calls that may be made twice: `call` is made again and again while the server cannot be
// reached. Each has `wait` and 30 s.
absl::Status CallAgain(const ServerChannel& server, std::chrono::seconds wait,
                       const std::function<grpc::Status(grpc::ClientContext&)>& call);

// The same of a method with one request and one response.
template <typename Stub, typename Base, typename Request, typename Response>
absl::Status CallAgain(const ServerChannel& server, Stub* stub,
                       grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                                    Response*),
                       const Request& request, Response& response,
                       std::chrono::seconds wait = std::chrono::seconds(0)) {
  return CallAgain(server, wait, [&](grpc::ClientContext& context) {
    response.Clear();
    return (stub->*method)(&context, request, &response);
  });
}

}  // namespace troupe::trace
