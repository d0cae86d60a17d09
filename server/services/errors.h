// The one place where an absl::Status becomes what a client sees: a gRPC code with google.rpc
// details. Stateless functions.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include "google/rpc/status.pb.h"

namespace troupe {

// Every error carries ErrorInfo {reason, domain "troupe", metadata}; a wrong field also BadRequest,
// a missing resource ResourceInfo, a limit QuotaFailure, a failed precondition PreconditionFailure,
// what may be tried again RetryInfo.
google::rpc::Status RpcStatus(const absl::Status& status);
grpc::Status GrpcStatus(const absl::Status& status);

}  // namespace troupe
