// WatchStream: one client that watches a task. It reads events from the store, first those that
// happened, then, woken by the hub, those that come; a slow client only reads later.
//
// It lives until gRPC is done with it: the reactor keeps itself alive.
#pragma once

#include <fmt/format.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "server/scheduler/task_manager.h"
#include "server/services/errors.h"
#include "server/services/open_streams.h"
#include "server/store/event_reader.h"
#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {

struct WatchOptions {
  std::string task_id;
  std::string connection;  // on which the client is, as gRPC names its other end
  int64_t after_sequence = 0;
  absl::Duration heartbeat = absl::Seconds(15);
};

// Turns events into messages of type `Message`; a null result is left out of the stream.
template <typename Message>
struct WatchCodec {
  std::function<std::unique_ptr<Message>(const TaskEvent&, bool last)> encode;
  std::function<Message()> heartbeat;
};

// The last sequence that a client has who took all but `waiting`; `last` if no event waits. A
// heartbeat has no sequence of its own.
template <typename Messages>
int64_t SequenceBefore(const Messages& waiting, int64_t last) {
  const auto first = std::find_if(waiting.begin(), waiting.end(),
                                  [](const auto& each) { return each.sequence() != 0; });
  return first == waiting.end() ? last : first->sequence() - 1;
}

template <typename Message>
class WatchStream : public grpc::ServerWriteReactor<Message>,
                    public std::enable_shared_from_this<WatchStream<Message>> {
 public:
  // Starts a stream that owns itself until OnDone.
  static grpc::ServerWriteReactor<Message>* Start(TaskManager* manager, OpenStreams* open,
                                                  asio::thread_pool& threads, WatchOptions options,
                                                  WatchCodec<Message> codec) {
    auto stream = std::shared_ptr<WatchStream>(
        new WatchStream(manager, open, threads, std::move(options), std::move(codec)));
    stream->self_ = stream;
    stream->Open();
    return stream.get();
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(&mutex_);
      writing_ = false;
      if (!outbox_.empty()) outbox_.pop_front();
      if (!ok) cancelled_ = true;
    }
    Continue();
  }

  void OnCancel() override {
    {
      MutexLock lock(&mutex_);
      cancelled_ = true;
    }
    Continue();
  }

  void OnDone() override {
    subscription_.reset();
    open_->Remove(open_id_);
    {
      MutexLock lock(&mutex_);
      timer_.cancel();
    }
    // Destroying this inside its own method would be too early.
    asio::post(threads_, [self = std::move(self_)] {});
  }

 private:
  static constexpr int kBatch = 256;
  static constexpr absl::Duration kMostPatience = absl::Seconds(30);

  WatchStream(TaskManager* manager, OpenStreams* open, asio::thread_pool& threads,
              WatchOptions options, WatchCodec<Message> codec)
      : manager_(manager),
        open_(open),
        threads_(threads),
        options_(std::move(options)),
        codec_(std::move(codec)),
        timer_(threads),
        last_sent_(options_.after_sequence) {}

  void Open() {
    std::weak_ptr<WatchStream> weak = this->shared_from_this();
    subscription_ = manager_->hub().Subscribe(options_.task_id, [weak] {
      if (auto stream = weak.lock()) stream->Wake();
    });
    const auto end = [weak] {
      auto stream = weak.lock();
      if (stream == nullptr) return;
      stream->FinishOnce(
          Error(Reason::kShuttingDown, "the server closes; watch again from the last sequence"));
    };
    const auto id = open_->Add(end, options_.connection);
    if (!id.ok()) return FinishOnce(id.status());
    open_id_ = *id;
    Wake();
    ArmHeartbeat();
  }

  // Something may have come: look, on the API's threads.
  void Wake() {
    {
      MutexLock lock(&mutex_);
      stale_ = true;
      if (reading_ || finished_) return;
      if (!outbox_.empty()) return;  // what is there goes first
      reading_ = true;
    }
    asio::post(threads_, [self = this->shared_from_this()] { self->Read(); });
  }

  void Read() {
    int64_t after = 0;
    {
      MutexLock lock(&mutex_);
      stale_ = false;
      after = last_sent_;
    }
    std::vector<TaskEvent> events;
    bool terminal = false;
    int64_t last_sequence = 0;  // 0: not looked up, as it does not matter yet
    const absl::Status read = manager_->store().Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const TaskPulse task, ReadPulse(connection, options_.task_id));
      terminal = task.ended;
      ASSIGN_OR_RETURN(events, ReadTaskEvents(connection, task.key, after, kBatch));
      if (terminal || events.empty()) {
        ASSIGN_OR_RETURN(last_sequence, LastSequenceOf(connection, task.key));
      }
      return absl::OkStatus();
    });
    if (!read.ok()) return FinishOnce(read);
    if (events.empty() && after > last_sequence) {
      return FinishOnce(Error(
          Reason::kSequenceOutOfRange,
          fmt::format("after_sequence: {} is beyond the last event, {}", after, last_sequence),
          {{"field", "after_sequence"}, {"last_sequence", std::to_string(last_sequence)}}));
    }
    bool at_end = false;
    {
      MutexLock lock(&mutex_);
      reading_ = false;
      for (const TaskEvent& event : events) {
        last_sent_ = event.sequence;
        auto message = codec_.encode(event, terminal && event.sequence == last_sequence);
        if (message != nullptr) outbox_.push_back(std::move(*message));
      }
      at_end = terminal && last_sent_ == last_sequence;
      ended_ = ended_ || at_end;
      // There may be more; what comes later wakes this again.
      if (events.size() == kBatch && !at_end) stale_ = true;
    }
    Continue();
  }

  // Writes what is there, or ends, or looks for more.
  void Continue() {
    bool look = false;
    {
      MutexLock lock(&mutex_);
      if (finished_ || writing_) return;
      if (!cancelled_ && !outbox_.empty()) {
        writing_ = true;
        write_started_ = SteadyNow();
        this->StartWrite(&outbox_.front());
        return;
      }
      look = !cancelled_ && !ended_ && stale_;
      if (!cancelled_ && !ended_ && !look) return;
    }
    if (look) return Wake();
    FinishOnce(absl::OkStatus());
  }

  void FinishOnce(const absl::Status& status) {
    {
      MutexLock lock(&mutex_);
      reading_ = false;
      if (finished_) return;
      finished_ = true;
    }
    this->Finish(GrpcStatus(status));
  }

  // A client that takes nothing is let go; it can go on from where it was.
  absl::Status CheckPace() {
    MutexLock lock(&mutex_);
    if (!writing_ || SteadyNow() - write_started_ < kMostPatience) return absl::OkStatus();
    const int64_t taken = SequenceBefore(outbox_, last_sent_);
    return Error(Reason::kWatcherBehind,
                 fmt::format("the stream was not read for {}: watch again after sequence {}",
                             absl::FormatDuration(kMostPatience), taken),
                 {{"limit", "reading"}, {"last_sequence", std::to_string(taken)}});
  }

  void ArmHeartbeat() {
    MutexLock lock(&mutex_);
    if (finished_) return;
    timer_.expires_after(absl::ToChronoNanoseconds(options_.heartbeat));
    std::weak_ptr<WatchStream> weak = this->shared_from_this();
    timer_.async_wait([weak](asio::error_code error) {
      auto stream = weak.lock();
      if (error || stream == nullptr) return;
      if (const absl::Status behind = stream->CheckPace(); !behind.ok()) {
        return stream->FinishOnce(behind);
      }
      {
        MutexLock lock(&stream->mutex_);
        if (stream->outbox_.empty() && !stream->finished_) {
          stream->outbox_.push_back(stream->codec_.heartbeat());
        }
      }
      stream->Continue();
      stream->ArmHeartbeat();
    });
  }

  TaskManager* const manager_;
  OpenStreams* const open_;
  asio::thread_pool& threads_;
  const WatchOptions options_;
  const WatchCodec<Message> codec_;
  std::unique_ptr<EventHub::Subscription> subscription_;
  uint64_t open_id_ = 0;
  std::shared_ptr<WatchStream> self_;

  Mutex mutex_;
  asio::steady_timer timer_ ABSL_GUARDED_BY(mutex_);
  std::deque<Message> outbox_ ABSL_GUARDED_BY(mutex_);
  int64_t last_sent_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time write_started_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool stale_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace troupe
