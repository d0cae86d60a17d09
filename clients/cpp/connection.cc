#include "clients/cpp/connection.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "clients/cpp/render.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace troupe::client {
namespace {

constexpr int kKeepaliveMilliseconds = 60'000;
constexpr auto kCallTime = std::chrono::seconds(60);

// The names of gRPC's codes, as documented.
constexpr const char* kCodeNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

Connection::Connection(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  const auto credentials = grpc::InsecureChannelCredentials();
  const auto calls = grpc::CreateCustomChannel(address, credentials, arguments);
  tasks_ = v1::TaskService::NewStub(calls);
  traces_ = v1::TraceService::NewStub(calls);
  tools_ = v1::ToolService::NewStub(calls);
  prompts_ = v1::PromptService::NewStub(calls);
  // Channels to the same server share a connection otherwise.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  watches_ = v1::TaskService::NewStub(grpc::CreateCustomChannel(address, credentials, arguments));
}

std::unique_ptr<grpc::ClientContext> CallContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kCallTime);
  return context;
}

ErrorFacts FactsOf(const grpc::Status& status) {
  ErrorFacts facts;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return facts;
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) {
      facts.reason = info.reason();
      for (const auto& [key, value] : info.metadata()) facts.metadata[key] = value;
    } else if (detail.UnpackTo(&retry)) {
      facts.retry_seconds =
          static_cast<double>(retry.retry_delay().seconds()) + retry.retry_delay().nanos() / 1e9;
    }
  }
  return facts;
}

int Report(const grpc::Status& status, bool json) {
  if (status.ok()) return kExitOk;
  const std::string code = kCodeNames[std::min<int>(status.error_code(), 16)];
  const ErrorFacts facts = FactsOf(status);
  const std::string& reason = facts.reason;
  if (json) {
    std::cerr << ErrorJson(code, reason, status.error_message(), facts.metadata,
                           facts.retry_seconds)
              << std::endl;
  } else {
    const std::string again =
        facts.retry_seconds > 0 ? fmt::format(" (after {} s)", facts.retry_seconds) : "";
    std::cerr << "troupe: " << Printable(status.error_message()) << again << " ["
              << (reason.empty() ? code : reason) << "]" << std::endl;
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE && reason.empty()) {
      std::cerr << "Is the server running? --server or TROUPE_SERVER says where." << std::endl;
    }
  }
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ? kExitUnavailable : kExitFailed;
}

std::string ErrorJson(const std::string& code, const std::string& reason,
                      const std::string& message,
                      const std::map<std::string, std::string>& metadata, double retry_seconds) {
  nlohmann::json error = {
      {"error",
       {{"code", code}, {"reason", reason}, {"message", message}, {"metadata", metadata}}}};
  if (retry_seconds > 0) error["error"]["retry_seconds"] = retry_seconds;
  // What a server says may hold bytes that are no text.
  return error.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string JsonOf(const std::map<std::string, std::string>& texts) {
  return nlohmann::json(texts).dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string TaskName(const std::string& given) {
  return given.rfind("tasks/", 0) == 0 ? given : "tasks/" + given;
}

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = false;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "{}";
  return json;
}

std::string NewRequestId() {
  std::random_device device;
  const auto bits = [&] { return static_cast<uint32_t>(device()); };
  const uint32_t a = bits();
  const uint32_t b = bits();
  const uint32_t c = bits();
  const uint32_t d = bits();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", a, b >> 16, b & 0xFFF,
                     0x8000 | (c >> 16 & 0x3FFF), c & 0xFFFF, d);
}

}  // namespace troupe::client
