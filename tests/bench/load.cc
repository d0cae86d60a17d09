#include "tests/bench/load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "tests/bench/words.h"

namespace troupe::bench {
namespace {

constexpr int kMaxMessageBytes = 64 * 1024 * 1024;

}  // namespace

Load::Load(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A connection of its own: the server takes a bounded number of streams on each.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), std::move(arguments));
  tasks_ = v1::TaskService::NewStub(channel_);
  traces_ = v1::TraceService::NewStub(channel_);
}

v1::TaskSpec Load::Chat(int64_t number, int turns, size_t turn_bytes) {
  v1::TaskSpec spec;
  for (int turn = 1; turn <= turns; ++turn) {
    std::string text = "[task " + std::to_string(number) + "] turn " + std::to_string(turn) + " ";
    Words words(static_cast<uint64_t>(number) * 1'000'003 + static_cast<uint64_t>(turn));
    if (text.size() < turn_bytes) text += words.Text(turn_bytes - text.size());
    spec.mutable_chat()->add_turns(text);
  }
  return spec;
}

int64_t Load::Submit(int64_t count, const std::string& prefix, int in_flight,
                     const std::function<v1::TaskSpec(int64_t)>& spec, int64_t first) {
  struct Call {
    grpc::ClientContext context;
    v1::SubmitTaskRequest request;
    v1::SubmitTaskResponse response;
  };
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  int64_t accepted = 0;
  for (int64_t i = 0; i < count; ++i) {
    auto call = std::make_shared<Call>();
    *call->request.mutable_spec() = spec(i);
    call->request.set_task_id(prefix + std::to_string(first + i));
    {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [&] { return running < in_flight; });
      ++running;
    }
    tasks_->async()->SubmitTask(&call->context, &call->request, &call->response,
                                [call, &mutex, &changed, &running, &accepted](grpc::Status status) {
                                  const std::lock_guard<std::mutex> lock(mutex);
                                  if (status.ok()) ++accepted;
                                  --running;
                                  changed.notify_all();
                                });
  }
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return running == 0; });
  return accepted;
}

int64_t Load::Count(const std::string& filter) {
  v1::ListTasksRequest request;
  request.set_filter(filter);
  request.set_page_size(1000);
  int64_t count = 0;
  do {
    grpc::ClientContext context;
    v1::ListTasksResponse response;
    if (!tasks_->ListTasks(&context, request, &response).ok()) return -1;
    count += response.tasks_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return count;
}

std::vector<double> Load::Time(int calls, const std::function<bool(int)>& call) {
  std::vector<double> times;
  for (int i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (!call(i)) continue;
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

class Watchers::Stream : public grpc::ClientReadReactor<v1::WatchTaskResponse> {
 public:
  Stream(v1::TaskService::Stub& tasks, const std::string& name) {
    request_.set_name("tasks/" + name);
    tasks.async()->WatchTask(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.sequence() > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++outcome_.events;
      if (response_.sequence() != last_ + 1) ++outcome_.gaps;
      last_ = response_.sequence();
      if (response_.last()) outcome_.ended = 1;
    }
    StartRead(&response_);
  }

  void OnDone(const grpc::Status&) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

  Outcome Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(120), [this] { return done_; })) {
      context_.TryCancel();
      changed_.wait(lock, [this] { return done_; });
    }
    return outcome_;
  }

 private:
  grpc::ClientContext context_;
  v1::WatchTaskRequest request_;
  v1::WatchTaskResponse response_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  int64_t last_ = 0;
  Outcome outcome_;
};

Watchers::Watchers(v1::TaskService::Stub& tasks, const std::string& prefix, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    streams_.push_back(std::make_unique<Stream>(tasks, prefix + std::to_string(i)));
  }
}

Watchers::~Watchers() { Wait(); }

Watchers::Outcome Watchers::Wait() {
  Outcome all;
  for (const auto& stream : streams_) {
    const Outcome one = stream->Wait();
    all.ended += one.ended;
    all.events += one.events;
    all.gaps += one.gaps;
  }
  return all;
}

double Percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
  return sorted[at];
}

}  // namespace troupe::bench
