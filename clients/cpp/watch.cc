#include "clients/cpp/watch.h"

#include "clients/cpp/event_view.h"

namespace troupe::client {
namespace {

constexpr int kMostReconnects = 20;

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

struct Outcome {
  v1::Task::State state = v1::Task::STATE_UNSPECIFIED;
  grpc::Status error;  // why watching ended before the task did
};

// Shows events until the task's last, or until the server cannot be reached again.
Outcome Follow(Connection& connection, const WatchSettings& settings, EventView& view) {
  Outcome outcome;
  int64_t last = settings.after_sequence;
  for (int reconnects = 0;; ++reconnects) {
    grpc::ClientContext context;  // without a deadline: a task may take days
    context.set_wait_for_ready(reconnects > 0);
    v1::WatchTaskRequest request;
    request.set_name(settings.task);
    request.set_after_sequence(last);
    auto stream = connection.watches().WatchTask(&context, request);
    v1::WatchTaskResponse event;
    bool ended = false;
    while (stream->Read(&event)) {
      if (event.sequence() != 0) {
        last = event.sequence();
        reconnects = 0;
      }
      if (event.has_state_changed()) outcome.state = event.state_changed().state();
      view.Show(event);
      ended = ended || event.last();
    }
    const grpc::Status status = stream->Finish();
    if (ended || (status.ok() && outcome.state != v1::Task::STATE_UNSPECIFIED)) return outcome;
    // A call that meets a server on its way out may come back as cancelled. Who reads what this
    // prints may rest for longer than the server waits.
    const bool lost = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                      status.error_code() == grpc::StatusCode::CANCELLED ||
                      FactsOf(status).reason == "WATCHER_BEHIND";
    const bool never_there = last == settings.after_sequence && reconnects == 0;
    if (!settings.reconnect || !lost || never_there || reconnects >= kMostReconnects) {
      outcome.error = status;
      return outcome;
    }
  }
}

}  // namespace

int Watch(Connection& connection, const WatchSettings& settings) {
  Outcome outcome;
  {
    const auto view = MakeEventView(settings);
    outcome = Follow(connection, settings, *view);
  }
  if (outcome.error.ok() && outcome.state == v1::Task::STATE_UNSPECIFIED) {
    // All its events were left out.
    v1::GetTaskRequest get;
    get.set_name(settings.task);
    v1::GetTaskResponse got;
    outcome.error = connection.tasks().GetTask(CallContext().get(), get, &got);
    outcome.state = got.task().state();
  }
  return outcome.error.ok() ? ExitOf(outcome.state) : Report(outcome.error, settings.json);
}

}  // namespace troupe::client
