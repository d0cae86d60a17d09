#include "server/services/errors.h"

#include "google/rpc/error_details.pb.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr char kDomain[] = "troupe";
constexpr int kRetrySeconds = 1;

std::string Entry(const ErrorMetadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

void AddDetails(const ReasonInfo& info, const ErrorMetadata& metadata, const std::string& message,
                google::rpc::Status& status) {
  if (info.code == absl::StatusCode::kInvalidArgument && metadata.contains("field")) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(Entry(metadata, "field"));
    violation->set_description(message);
    status.add_details()->PackFrom(bad);
  }
  if (info.code == absl::StatusCode::kNotFound && metadata.contains("name")) {
    google::rpc::ResourceInfo resource;
    resource.set_resource_name(Entry(metadata, "name"));
    resource.set_description(message);
    status.add_details()->PackFrom(resource);
  }
  if (info.code == absl::StatusCode::kFailedPrecondition) {
    google::rpc::PreconditionFailure failure;
    auto* violation = failure.add_violations();
    violation->set_type(std::string(info.name));
    violation->set_subject(Entry(metadata, "name"));
    violation->set_description(message);
    status.add_details()->PackFrom(failure);
  }
  if (info.code == absl::StatusCode::kResourceExhausted) {
    google::rpc::QuotaFailure failure;
    auto* violation = failure.add_violations();
    violation->set_subject(Entry(metadata, "limit"));
    violation->set_description(message);
    status.add_details()->PackFrom(failure);
  }
  if (info.retryable) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(kRetrySeconds);
    status.add_details()->PackFrom(retry);
  }
}

}  // namespace

google::rpc::Status RpcStatus(const absl::Status& status) {
  google::rpc::Status rpc;
  if (status.ok()) return rpc;
  const ReasonInfo& info = InfoOf(ReasonOf(status).value_or(Reason::kInternal));
  const std::string message(MessageOf(status));
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(message);
  const ErrorMetadata metadata = MetadataOf(status);
  google::rpc::ErrorInfo error;
  error.set_reason(std::string(info.name));
  error.set_domain(kDomain);
  for (const auto& [key, value] : metadata) (*error.mutable_metadata())[key] = value;
  rpc.add_details()->PackFrom(error);
  AddDetails(info, metadata, message, rpc);
  return rpc;
}

grpc::Status GrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status rpc = RpcStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(rpc.code()), rpc.message(),
                      rpc.SerializeAsString());
}

}  // namespace troupe
