#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <stdexcept>

#include "server/store/journal_table.h"
#include "server/store/store.h"
#include "server/store/task_table.h"
#include "tests/bench/chat_server.h"
#include "tests/bench/clock.h"
#include "tests/bench/folder.h"
#include "tests/bench/load.h"
#include "tests/bench/measurements.h"
#include "tests/bench/server_process.h"
#include "tests/bench/words.h"
#include "tools/base/status_macros.h"

namespace troupe::bench {
namespace {

constexpr int kSpansOfTask = 100;
constexpr size_t kTextOfSpan = 150;  // bytes
constexpr int kTasksOfChange = 20;

void OrThrow(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(status.message()));
}

SpanRecord FilledSpan(int number, absl::Time time, Words& words) {
  SpanRecord span;
  span.path = fmt::format("turn:{}/reply:1", number);
  span.kind = SpanKind::kModelCall;
  span.type = "chat";
  span.title = "reply:1";
  span.role = "assistant";
  span.model = "m";
  span.begin_sequence = 2 * number;
  span.end_sequence = 2 * number + 1;
  span.begin_time = span.end_time = time;
  span.state = SpanState::kOk;
  span.usage.model_calls = 1;
  span.usage.input_tokens = 50;
  span.usage.output_tokens = 30;
  span.search_text = words.Text(kTextOfSpan);
  return span;
}

absl::Status FillTask(Connection& connection, int64_t number, Words& words) {
  TaskRow row;
  row.name = fmt::format("filled-{}", number);
  row.kind = "chat";
  row.title = words.Text(30);
  row.state = v1::Task::STATE_SUCCEEDED;
  row.spec = Load::Chat(number, 1).SerializeAsString();
  row.create_time = row.start_time = row.update_time = row.end_time =
      absl::FromUnixSeconds(1'700'000'000 + number);
  RETURN_IF_ERROR(InsertTask(connection, row));
  RETURN_IF_ERROR(UpdateTask(connection, row));
  JournalEntry entry;
  entry.task_id = row.name;
  for (int i = 1; i <= kSpansOfTask; ++i) {
    entry.begun.push_back(FilledSpan(i, row.create_time, words));
  }
  entry.ended = entry.begun;
  return AppendEntry(connection, entry);
}

// Fills a store with tasks that ended, as the server itself would write them.
void FillStore(const std::filesystem::path& folder, int64_t tasks) {
  std::filesystem::create_directories(folder);
  Store::Options options;
  options.path = folder / "troupe.db";
  auto store = Store::Open(std::move(options));
  OrThrow(store.status());
  auto words = std::make_shared<Words>(1);
  for (int64_t first = 0; first < tasks; first += kTasksOfChange) {
    const int64_t end = std::min(tasks, first + kTasksOfChange);
    OrThrow((*store)->WriteAndWait([=](Connection& connection) -> absl::Status {
      for (int64_t task = first; task < end; ++task) {
        RETURN_IF_ERROR(FillTask(connection, task, *words));
      }
      return absl::OkStatus();
    }));
  }
}

class Latencies {
 public:
  Latencies(Load& load, int calls, Report& report) : load_(load), calls_(calls), report_(report) {}

  // Times calls one after another; each is to succeed.
  void Measure(const std::string& name, const std::string& title, double goal,
               const std::function<bool(int)>& call) {
    const std::vector<double> times = load_.Time(calls_, call);
    if (times.size() < static_cast<size_t>(calls_)) throw std::runtime_error(title + " failed");
    std::cerr << fmt::format("  {}: p50 {:.2f} ms\n", title, Percentile(times, 0.5));
    report_.Add({name, title + ", 99th percentile", Percentile(times, 0.99), "ms", goal, true, 0});
  }

 private:
  Load& load_;
  const int calls_;
  Report& report_;
};

}  // namespace

// How long calls take with many spans stored.
void MeasureStore(const Setting& setting, Report& report) {
  const int64_t tasks = setting.quick ? 500 : 10'000;
  const int calls = setting.quick ? 50 : 300;
  const Folder folder;
  const double start = Now();
  FillStore(folder.path() / "data", tasks);
  std::cerr << fmt::format("  {} spans stored in {:.0f} s\n", tasks * kSpansOfTask, Now() - start);
  ChatServer model({std::chrono::milliseconds(1), 120, "", 0});
  ServerProcess server(setting.binaries, folder.path(), model.port());
  Load load(server.address());
  Latencies latencies(load, calls, report);
  const std::string with = fmt::format(" with {} spans stored", tasks * kSpansOfTask);
  latencies.Measure("submit_p99", "SubmitTask" + with, 50, [&](int i) {
    return load.Submit(1, fmt::format("n{}x", i), 1, [&](int64_t) { return Load::Chat(i, 1); }) ==
           1;
  });
  latencies.Measure("get_p99", "GetTask" + with, 20, [&](int i) {
    grpc::ClientContext context;
    v1::GetTaskRequest request;
    request.set_name(fmt::format("tasks/filled-{}", i * 7919LL % tasks));
    v1::GetTaskResponse response;
    return load.tasks().GetTask(&context, request, &response).ok();
  });
  latencies.Measure("list_p99", "ListTasks (50 of them)" + with, 50, [&](int) {
    grpc::ClientContext context;
    v1::ListTasksRequest request;
    v1::ListTasksResponse response;
    return load.tasks().ListTasks(&context, request, &response).ok();
  });
  latencies.Measure("list_spans_p99", "ListSpans of a task by a filter" + with, 50, [&](int i) {
    grpc::ClientContext context;
    v1::ListSpansRequest request;
    request.set_parent(fmt::format("tasks/filled-{}", i * 7919LL % tasks));
    request.set_filter("kind = MODEL_CALL AND output_tokens > 10");
    v1::ListSpansResponse response;
    return load.traces().ListSpans(&context, request, &response).ok() && response.spans_size() > 0;
  });
  const auto search = [&](const std::string& query) {
    grpc::ClientContext context;
    v1::SearchSpansRequest request;
    request.set_query(query);
    v1::SearchSpansResponse response;
    return load.traces().SearchSpans(&context, request, &response).ok() && response.hits_size() > 0;
  };
  latencies.Measure("search_rare_p99", "SearchSpans for a rare word" + with, 200,
                    [&](int i) { return search(Words::Word(9'000 + i)); });
  latencies.Measure(
      "search_common_p99", "SearchSpans for two common words" + with, 200,
      [&](int i) { return search(Words::Word(2 + i % 5) + " " + Words::Word(10 + i)); });
}

}  // namespace troupe::bench
