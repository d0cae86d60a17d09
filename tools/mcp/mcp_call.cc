#include "tools/mcp/mcp_call.h"

namespace troupe {
namespace {

constexpr size_t kMaxEvents = 256;

}  // namespace

void McpCall::Push(McpCallEvent event) {
  Done<McpCallEvent> waiter;
  {
    MutexLock lock(&mutex_);
    if (waiter_) {
      waiter = std::exchange(waiter_, nullptr);
    } else if (event.kind != McpCallEvent::Kind::kProgress || events_.size() < kMaxEvents) {
      events_.push_back(std::move(event));
      return;
    }
  }
  if (waiter) waiter(std::move(event));
}

Async<McpCallEvent> McpCall::Next() {
  McpCall* const call = this;
  co_return co_await Suspend<McpCallEvent>([call](Done<McpCallEvent> done) {
    McpCallEvent event;
    {
      MutexLock lock(&call->mutex_);
      if (call->events_.empty()) {
        call->waiter_ = std::move(done);
        return;
      }
      event = std::move(call->events_.front());
      call->events_.pop_front();
    }
    done(std::move(event));
  });
}

}  // namespace troupe
