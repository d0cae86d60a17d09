// The calls that a ToolProvider has: each is run once, however often it is sent, and what came of
// it is kept until the server has taken it. Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "clients/cpp/tool_provider.h"
#include "troupe/v1/attach.pb.h"

namespace troupe::client {

class ProviderCalls {
 public:
  using Function = std::function<absl::StatusOr<ToolOutput>(const nlohmann::json&, CallContext&)>;
  using Send = std::function<void(v1::AttachRequest)>;

  // `functions` by "name@version"; runs them on `threads` threads.
  ProviderCalls(std::map<std::string, Function> functions, int threads, Send send);
  ~ProviderCalls();

  void Start(const v1::ProviderCall& call);
  void Cancel(const std::string& call_id);
  void Taken(const v1::CallsTaken& taken);
  std::vector<std::string> Held() const;
  // The server goes on with the session after the stream broke.
  void SendAllAgain();

  // False if calls still ran after `time`.
  bool WaitUntilIdle(std::chrono::milliseconds time);
  // Tells all calls that they are cancelled and waits for their functions.
  void Close();

 private:
  struct Call;
  using CallPtr = std::shared_ptr<Call>;

  void Work();
  void Run(Call& call);
  void SendAgain(const CallPtr& call);
  // The messages with a call's files.
  static void AddFiles(const std::string& call_id, const std::vector<OutputFile>& files,
                       std::vector<v1::AttachRequest>& messages);

  const std::map<std::string, Function> functions_;
  const Send send_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, CallPtr> held_;
  std::deque<std::string> ended_;  // ids, the oldest first
  std::deque<CallPtr> waiting_;
  int running_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace troupe::client
