#include "tools/builtin/worker_pool.h"

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr int kMaxWaiting = 10'000;

}  // namespace

WorkerPool::WorkerPool(int threads)
    : pool_(std::make_unique<asio::thread_pool>(static_cast<size_t>(threads))) {}

WorkerPool::~WorkerPool() { pool_->join(); }

absl::Status WorkerPool::Post(std::function<void()> work) {
  if (waiting_.fetch_add(1) >= kMaxWaiting) {
    --waiting_;
    return Error(Reason::kQueueFull, "too many tool calls wait for the disk: try again later");
  }
  asio::post(*pool_, [this, work = std::move(work)] {
    work();
    --waiting_;
  });
  return absl::OkStatus();
}

}  // namespace troupe
