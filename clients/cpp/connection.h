// A connection to a server, and how its errors reach a person. Thread-compatible.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "troupe/v1/prompt_service.grpc.pb.h"
#include "troupe/v1/task_service.grpc.pb.h"
#include "troupe/v1/tool_service.grpc.pb.h"
#include "troupe/v1/trace_service.grpc.pb.h"

namespace troupe::client {

// What a command of the line ends with.
enum ExitCode {
  kExitOk = 0,
  kExitFailed = 1,       // the server refused, or the task failed
  kExitUsage = 2,        // the command line was wrong
  kExitUnavailable = 3,  // the server could not be reached
  kExitStopped = 4,      // the task was stopped by a limit or cancelled
};

class Connection {
 public:
  explicit Connection(const std::string& address);

  v1::TaskService::Stub& tasks() { return *tasks_; }
  // For WatchTask alone, on a connection of its own: however many watches are open, calls have the
  // other one. It is opened when the first watch is.
  v1::TaskService::Stub& watches() { return *watches_; }
  v1::TraceService::Stub& traces() { return *traces_; }
  v1::ToolService::Stub& tools() { return *tools_; }
  v1::PromptService::Stub& prompts() { return *prompts_; }

 private:
  std::unique_ptr<v1::TaskService::Stub> tasks_;
  std::unique_ptr<v1::TaskService::Stub> watches_;
  std::unique_ptr<v1::TraceService::Stub> traces_;
  std::unique_ptr<v1::ToolService::Stub> tools_;
  std::unique_ptr<v1::PromptService::Stub> prompts_;
};

// A context with the deadline of an ordinary call.
std::unique_ptr<grpc::ClientContext> CallContext();

// What the server adds to an error that it tells.
struct ErrorFacts {
  std::string reason;  // of troupe.v1.ErrorReason, without its prefix; empty: not told
  std::map<std::string, std::string> metadata;
  double retry_seconds = 0;  // when to try again; 0: not told
};
ErrorFacts FactsOf(const grpc::Status& status);

// Prints the error, its reason and the field at fault to standard error (as JSON if `json`), and
// says how to exit.
int Report(const grpc::Status& status, bool json);

// "tasks/x" for "x" and for "tasks/x".
std::string TaskName(const std::string& given);

// An error as a JSON object: {"error": {"code", "reason", "message", "metadata"}}, and
// "retry_seconds" unless it is 0.
std::string ErrorJson(const std::string& code, const std::string& reason,
                      const std::string& message,
                      const std::map<std::string, std::string>& metadata = {},
                      double retry_seconds = 0);

// Texts by name as a JSON object.
std::string JsonOf(const std::map<std::string, std::string>& texts);

// One message as JSON with the names of the .proto files.
std::string ToJson(const google::protobuf::Message& message, bool pretty = true);

// A random UUID, so that a call that is sent twice takes effect once.
std::string NewRequestId();

}  // namespace troupe::client
