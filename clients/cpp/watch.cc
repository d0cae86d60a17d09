#include "clients/cpp/watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <iostream>
#include <mutex>

#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

constexpr int kMostReconnects = 20;

class EventPrinter {
 public:
  explicit EventPrinter(const WatchSettings& settings)
      : settings_(settings), colored_(isatty(STDOUT_FILENO) != 0 && !settings.json) {}

  void Print(const v1::WatchTaskResponse& event) {
    if (settings_.json) {
      if (event.sequence() != 0) std::cout << ToJson(event, false) << std::endl;
      return;
    }
    switch (event.event_case()) {
      case v1::WatchTaskResponse::kStateChanged:
        Line("1", StateText(event.state_changed().state()));
        break;
      case v1::WatchTaskResponse::kSpanStarted:
        if (!settings_.quiet) Line("2", SpanLine(event.span_started().span()));
        break;
      case v1::WatchTaskResponse::kSpanEnded:
        if (!settings_.quiet) {
          const v1::Span& span = event.span_ended().span();
          Line(span.state() == v1::Span::STATE_ERROR ? "31" : "32", SpanLine(span));
        }
        break;
      case v1::WatchTaskResponse::kProgress:
        Line("36", "* " + event.progress().text());
        break;
      case v1::WatchTaskResponse::kQuestionAsked:
        Line("33", fmt::format("? {}\n  answer with: troupe respond {} TEXT",
                               event.question_asked().prompt(), event.question_asked().name()));
        break;
      case v1::WatchTaskResponse::kQuestionAnswered:
        Line("33", "= " + event.question_answered().answer_json());
        break;
      default:
        break;
    }
  }

 private:
  void Line(const char* color, const std::string& text) {
    if (colored_) {
      std::cout << "\x1b[" << color << "m" << text << "\x1b[0m" << std::endl;
    } else {
      std::cout << text << std::endl;
    }
  }

  const WatchSettings& settings_;
  const bool colored_;
};

int ExitOf(v1::Task::State state) {
  switch (state) {
    case v1::Task::STATE_SUCCEEDED:
      return kExitOk;
    case v1::Task::STATE_STOPPED:
    case v1::Task::STATE_CANCELLED:
      return kExitStopped;
    default:
      return kExitFailed;
  }
}

}  // namespace

int Watch(Connection& connection, const WatchSettings& settings) {
  EventPrinter printer(settings);
  int64_t last = settings.after_sequence;
  v1::Task::State state = v1::Task::STATE_UNSPECIFIED;
  for (int reconnects = 0;; ++reconnects) {
    grpc::ClientContext context;  // without a deadline: a task may take days
    context.set_wait_for_ready(reconnects > 0);
    v1::WatchTaskRequest request;
    request.set_name(settings.task);
    request.set_after_sequence(last);
    auto stream = connection.tasks().WatchTask(&context, request);
    v1::WatchTaskResponse event;
    bool ended = false;
    while (stream->Read(&event)) {
      if (event.sequence() != 0) {
        last = event.sequence();
        reconnects = 0;
      }
      if (event.has_state_changed()) state = event.state_changed().state();
      printer.Print(event);
      ended = ended || event.last();
    }
    const grpc::Status status = stream->Finish();
    if (ended || (status.ok() && state != v1::Task::STATE_UNSPECIFIED)) return ExitOf(state);
    if (!settings.reconnect || status.error_code() != grpc::StatusCode::UNAVAILABLE ||
        reconnects >= kMostReconnects) {
      return Report(status, settings.json);
    }
    if (last == settings.after_sequence && reconnects == 0) return Report(status, settings.json);
  }
}

}  // namespace troupe::client
