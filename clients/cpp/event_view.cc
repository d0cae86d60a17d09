#include "clients/cpp/event_view.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string_view>
#include <thread>

#include "clients/cpp/connection.h"
#include "clients/cpp/live_tree.h"
#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

constexpr auto kFrameTime = std::chrono::milliseconds(200);

constexpr const char* kPlain = "";
constexpr const char* kRed = "31";
constexpr const char* kGreen = "32";
constexpr const char* kYellow = "33";
constexpr const char* kCyan = "36";
constexpr const char* kBold = "1";
constexpr const char* kDim = "2";

bool IsTerminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

// https://no-color.org
bool WantsColor() {
  const char* refused = std::getenv("NO_COLOR");
  return IsTerminal() && (refused == nullptr || *refused == '\0');
}

std::string Colored(const char* color, const std::string& text, bool colored) {
  if (!colored || *color == '\0') return text;
  return fmt::format("\x1b[{}m{}\x1b[0m", color, text);
}

class JsonView : public EventView {
 public:
  void Show(const v1::WatchTaskResponse& event) override {
    if (event.sequence() != 0) std::cout << ToJson(event, false) << std::endl;
  }
};

class LineView : public EventView {
 public:
  explicit LineView(bool quiet) : quiet_(quiet), colored_(WantsColor()) {}

  void Show(const v1::WatchTaskResponse& event) override {
    switch (event.event_case()) {
      case v1::WatchTaskResponse::kStateChanged:
        Line(kBold, StateText(event.state_changed().state()));
        break;
      case v1::WatchTaskResponse::kSpanStarted:
        if (event.span_started().span().type() == "approval") {
          approval_ = event.span_started().span().begin_sequence();
        }
        if (!quiet_) Line(kDim, SpanLine(event.span_started().span()));
        break;
      case v1::WatchTaskResponse::kSpanEnded:
        if (!quiet_) {
          const v1::Span& span = event.span_ended().span();
          Line(span.state() == v1::Span::STATE_ERROR ? kRed : kGreen, SpanLine(span));
        }
        break;
      case v1::WatchTaskResponse::kProgress:
        Line(kCyan, "* " + OneLine(event.progress().text(), 0));
        break;
      case v1::WatchTaskResponse::kQuestionAsked:
        ShowQuestion(event.question_asked());
        break;
      case v1::WatchTaskResponse::kQuestionAnswered:
        Line(kYellow, "= " + OneLine(event.question_answered().answer_json(), 0));
        break;
      default:
        break;
    }
  }

 private:
  void ShowQuestion(const v1::QuestionAsked& question) {
    // Its span began just before it.
    const bool approval = question.name().ends_with(fmt::format("/questions/{}", approval_));
    Line(kYellow, fmt::format("? {}\n  answer with: {}", Printable(question.prompt()),
                              AnswerHint(question.name(), approval)));
  }

  void Line(const char* color, const std::string& text) {
    std::cout << Colored(color, text, colored_) << std::endl;
  }

  const bool quiet_;
  const bool colored_;
  int64_t approval_ = 0;  // where the last question began that asks leave for a call
};

const char* ColorOf(LiveTree::Tone tone) {
  switch (tone) {
    case LiveTree::Tone::kRunning:
      return kCyan;
    case LiveTree::Tone::kGood:
      return kGreen;
    case LiveTree::Tone::kBad:
      return kRed;
    case LiveTree::Tone::kQuestion:
      return kYellow;
    default:
      return kPlain;
  }
}

// Draws the tree in place a few times a second: by a thread of its own, as times run on while no
// event comes.
class TreeView : public EventView {
 public:
  explicit TreeView(const std::string& task)
      : colored_(WantsColor()),
        tree_(task),
        painter_([this](const std::stop_token& stop) { Paint(stop); }) {}

  ~TreeView() override {
    painter_.request_stop();
    painter_.join();
    winsize size = {};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    DrawFrame(size.ws_col, 0);  // what stays is the whole tree
  }

  void Show(const v1::WatchTaskResponse& event) override {
    const std::lock_guard lock(mutex_);
    tree_.Take(event);
  }

 private:
  void Paint(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      winsize size = {};
      ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
      // The cursor stands below the last line, so that one line stays empty.
      DrawFrame(size.ws_col, size.ws_row > 1 ? size.ws_row - 1 : 0);
      frame_.wait_for(lock, stop, kFrameTime, [] { return false; });
    }
  }

  void DrawFrame(int width, int height) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto lines = tree_.Draw(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count(), width, height);
    std::string frame;
    for (const LiveTree::Line& line : lines) {
      frame += Colored(ColorOf(line.tone), line.text, colored_) + "\n";
    }
    if (frame == shown_) return;
    // Up to the first line of the frame before, and away with it.
    if (shown_lines_ > 0) std::cout << fmt::format("\x1b[{}F", shown_lines_);
    std::cout << "\x1b[J" << frame << std::flush;
    shown_ = std::move(frame);
    shown_lines_ = lines.size();
  }

  const bool colored_;
  std::mutex mutex_;
  std::condition_variable_any frame_;
  LiveTree tree_;           // guarded by mutex_
  std::string shown_;       // the frame on the terminal
  size_t shown_lines_ = 0;  // its lines
  std::jthread painter_;    // last, as it uses all the others
};

}  // namespace

std::unique_ptr<EventView> MakeEventView(const WatchSettings& settings) {
  if (settings.json) return std::make_unique<JsonView>();
  const bool whole = settings.after_sequence == 0;  // a tree needs every span
  if (IsTerminal() && whole && !settings.quiet && !settings.lines) {
    return std::make_unique<TreeView>(settings.task);
  }
  return std::make_unique<LineView>(settings.quiet);
}

}  // namespace troupe::client
