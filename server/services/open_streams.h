// OpenStreams: the streams that are open, so that a closing server can end them, and neither all
// clients together nor the watches of one connection are too many.
//
// Thread-safe.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "tools/base/error.h"
#include "tools/base/mutex.h"

namespace troupe {

// Calls of any kind that one connection carries at once. A client's library keeps what is beyond
// back until another ends, and does not say so.
inline constexpr int kStreamsPerConnection = 1100;
// Of these, watches: the rest is for calls that come to an end.
inline constexpr int kWatchesPerConnection = 1000;

class OpenStreams {
 public:
  // Before the first stream.
  void SetLimit(size_t limit) { limit_ = limit; }

  // The id of the stream, to be removed with. `connection` is whose watch it is; empty: it is none.
  // kShuttingDown if all were asked to end already, kQueueFull if too many are open, kLimitReached
  // if too many watches are on the connection: the stream must end, too.
  absl::StatusOr<uint64_t> Add(std::function<void()> end, const std::string& connection = "") {
    MutexLock lock(&mutex_);
    if (closed_) {
      return Error(Reason::kShuttingDown, "the server closes; watch again from the last sequence");
    }
    if (streams_.size() >= limit_) {
      return Error(Reason::kQueueFull,
                   fmt::format("{} streams are open already; try later", limit_),
                   {{"limit", "server.max_watchers"}});
    }
    // The ends of sockets in the file system have no names that tell one from another.
    const bool counted = !connection.empty() && !connection.starts_with("unix:");
    if (counted && watches_[connection] >= kWatchesPerConnection) {
      return Error(
          Reason::kLimitReached,
          fmt::format("{} watches are open on this connection, which carries {} calls at once; the "
                      "others are kept for calls that end: watch on another connection (a channel "
                      "with grpc.use_local_subchannel_pool = 1), or end some watches",
                      kWatchesPerConnection, kStreamsPerConnection),
          {{"limit", "watches_per_connection"}});
    }
    if (counted) ++watches_[connection];
    streams_[next_id_] = {std::move(end), counted ? connection : ""};
    return next_id_++;
  }

  void Remove(uint64_t id) {
    MutexLock lock(&mutex_);
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    const auto watches = watches_.find(found->second.connection);
    if (watches != watches_.end() && --watches->second == 0) watches_.erase(watches);
    streams_.erase(found);
  }

  // Asks every stream to end, those that come later too.
  void EndAll() {
    std::map<uint64_t, Stream> streams;
    {
      MutexLock lock(&mutex_);
      closed_ = true;
      streams.swap(streams_);
      watches_.clear();
    }
    for (auto& [id, stream] : streams) stream.end();
  }

 private:
  struct Stream {
    std::function<void()> end;
    std::string connection;  // empty: it does not count
  };

  size_t limit_ = 10'000;
  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> watches_ ABSL_GUARDED_BY(mutex_);  // by connection; none has 0
};

}  // namespace troupe
