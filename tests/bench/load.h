// A client that submits many tasks at once and follows them. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "troupe/v1/task_service.grpc.pb.h"
#include "troupe/v1/trace_service.grpc.pb.h"

namespace troupe::bench {

class Load {
 public:
  explicit Load(const std::string& address);

  v1::TaskService::Stub& tasks() { return *tasks_; }
  v1::TraceService::Stub& traces() { return *traces_; }

  // A chat of `turns` turns of about `turn_bytes` each, numbered so that the chat server knows it.
  static v1::TaskSpec Chat(int64_t number, int turns, size_t turn_bytes = 40);

  // Submits `count` tasks made by `spec`, at most `in_flight` calls at a time, named
  // {prefix}{first}, {prefix}{first + 1} ...; returns how many were accepted.
  int64_t Submit(int64_t count, const std::string& prefix, int in_flight,
                 const std::function<v1::TaskSpec(int64_t)>& spec, int64_t first = 0);

  // Tasks that the filter finds.
  int64_t Count(const std::string& filter);

  // Milliseconds that each call took, sorted.
  std::vector<double> Time(int calls, const std::function<bool(int)>& call);

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TaskService::Stub> tasks_;
  std::unique_ptr<v1::TraceService::Stub> traces_;
};

// Watches tasks and checks that every sequence comes, once, in order. Thread-safe.
class Watchers {
 public:
  // Watches {prefix}{0 ... count - 1}.
  Watchers(v1::TaskService::Stub& tasks, const std::string& prefix, int64_t count);
  ~Watchers();

  struct Outcome {
    int64_t ended = 0;   // streams that came to the event marked last
    int64_t events = 0;  // heartbeats left out
    int64_t gaps = 0;
  };
  // Waits until all streams have ended.
  Outcome Wait();

 private:
  class Stream;
  std::vector<std::unique_ptr<Stream>> streams_;
};

double Percentile(const std::vector<double>& sorted, double share);

}  // namespace troupe::bench
