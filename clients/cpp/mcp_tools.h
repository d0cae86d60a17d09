// What `troupe mcp` offers: tasks and traces of a Troupe server as tools of MCP, each a JSON Schema
// and a function from arguments to a result. Thread-safe: calls run side by side.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "clients/cpp/connection.h"

namespace troupe::client {

using McpJson = nlohmann::json;

// One call that runs: lets another thread stop it, and tells of its progress.
class McpRunningCall {
 public:
  explicit McpRunningCall(std::function<void(const std::string&)> progress)
      : progress_(std::move(progress)) {}

  // Stops the call to the server that is under way, and all that would follow.
  void Cancel();
  bool cancelled() const;

  // A line for whoever waits.
  void Progress(const std::string& line) const {
    if (progress_) progress_(line);
  }

  // Runs `call` with a context that Cancel stops.
  grpc::Status Run(std::unique_ptr<grpc::ClientContext> context,
                   const std::function<grpc::Status(grpc::ClientContext&)>& call);

 private:
  const std::function<void(const std::string&)> progress_;
  mutable std::mutex mutex_;
  grpc::ClientContext* context_ = nullptr;  // of the call under way
  bool cancelled_ = false;
};

// The tools as tools/list has them.
const McpJson& McpToolList();

// The result of tools/call. What fails is a result with isError, in words for a model; null if
// there is no such tool.
McpJson CallMcpTool(Connection& connection, const std::string& tool, const McpJson& arguments,
                    McpRunningCall& running);

}  // namespace troupe::client
