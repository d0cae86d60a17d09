// McpStdioServer: a server of the Model Context Protocol over standard input and output, in both
// eras: the handshake of 2025-11-25 and before, and the stateless revision 2026-07-28. Calls run
// side by side on a few threads. Serve blocks; nothing else is called.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "clients/cpp/connection.h"
#include "clients/cpp/mcp_tools.h"

namespace troupe::client {

class McpStdioServer {
 public:
  // The streams outlive the server.
  McpStdioServer(Connection* connection, std::istream* input, std::ostream* output);
  ~McpStdioServer();

  // Until the input ends; what is under way is then cancelled.
  void Serve();

 private:
  struct Call {
    McpJson id;
    bool modern = false;
    std::string tool;
    McpJson arguments;
    std::shared_ptr<McpRunningCall> running;
  };

  void Take(const std::string& line);
  void TakeRequest(const McpJson& message);
  void TakeNotification(const McpJson& message);
  // Whether a request is one of the modern era; answers it itself if what it says of its revision
  // is wrong.
  bool IsModern(const McpJson& message, bool& answered);
  McpJson Initialize(const McpJson& params) const;
  void StartCall(const McpJson& message, bool modern);
  void RunCalls();
  void Perform(Call call);

  void Send(const McpJson& message);
  void SendResult(const McpJson& id, McpJson result, bool modern);
  void SendError(const McpJson& id, int code, const std::string& text, McpJson data = nullptr);

  Connection* const connection_;
  std::istream* const input_;
  std::ostream* const output_;
  std::mutex output_mutex_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Call> queue_;
  std::map<std::string, std::shared_ptr<McpRunningCall>> running_;  // by the request's id
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace troupe::client
