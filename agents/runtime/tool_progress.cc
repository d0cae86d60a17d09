#include "agents/runtime/tool_progress.h"

#include <asio/post.hpp>

#include "agents/runtime/text.h"
#include "tools/base/mutex.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr size_t kMaxLine = 1000;
constexpr int kMaxLines = 200;
constexpr absl::Duration kLeastPause = absl::Milliseconds(50);

}  // namespace

struct ProgressRelay::State {
  std::weak_ptr<TaskRun> run;
  asio::any_io_executor strand;
  std::string path;
  bool closed = false;  // of the strand alone

  Mutex mutex;
  int lines ABSL_GUARDED_BY(mutex) = 0;
  absl::Time last ABSL_GUARDED_BY(mutex) = absl::InfinitePast();

  bool MayPass() {
    MutexLock lock(&mutex);
    const absl::Time now = SteadyNow();
    if (lines >= kMaxLines || now - last < kLeastPause) return false;
    ++lines;
    last = now;
    return true;
  }
};

ProgressRelay::ProgressRelay(std::shared_ptr<TaskRun> run, std::string path)
    : state_(std::make_shared<State>()) {
  state_->strand = run->strand();
  state_->run = run;
  state_->path = std::move(path);
}

std::function<void(std::string_view)> ProgressRelay::function() const {
  return [state = state_](std::string_view line) {
    if (line.empty() || !state->MayPass()) return;
    asio::post(state->strand, [state, text = TruncateUtf8(line, kMaxLine)] {
      const auto run = state->run.lock();
      if (run == nullptr || state->closed) return;
      JournalEntry entry;
      entry.events.push_back(run->NewEvent(EventType::kProgress, state->path, text));
      run->Append(std::move(entry));
    });
  };
}

void ProgressRelay::Close() { state_->closed = true; }

}  // namespace troupe
