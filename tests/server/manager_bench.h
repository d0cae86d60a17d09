// A TaskManager without a server around it: one kind of task that runs what the test says, a model
// and tools that count how often they are called.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>

#include "agents/prompts/prompt_library.h"
#include "agents/runtime/task_kind.h"
#include "server/scheduler/task_manager.h"
#include "tests/agents/runtime/counting.h"
#include "tests/server/query_number.h"
#include "tests/support/temp_folder.h"

namespace troupe {

using Script = std::function<Async<std::string>(Scope&)>;

class ManagerBench {
 public:
  ManagerBench() {
    safe_ = std::make_shared<CountingTool>("safe", true);
    unsafe_ = std::make_shared<CountingTool>("unsafe", false);
    EXPECT_TRUE(tools_.Add(safe_).ok());
    EXPECT_TRUE(tools_.Add(unsafe_).ok());
    Start();
  }

  // Closes the manager, which leaves its tasks unfinished, and starts another on the same store.
  void Restart() {
    RestartOnly();
    manager_->Resume();
  }
  // The same, but lets the tasks wait still.
  void RestartOnly() {
    manager_.reset();
    store_.reset();
    Start();
    EXPECT_TRUE(manager_->Recover().ok());
  }
  void CloseManager() { manager_.reset(); }

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::string database() const { return (folder_.path() / "test.db").string(); }
  TaskManager& manager() { return *manager_; }
  Store& store() { return *store_; }
  CountingModel& model() { return model_; }
  CountingTool& safe() { return *safe_; }
  CountingTool& unsafe() { return *unsafe_; }
  PromptLibrary& prompts() { return prompts_; }
  ToolRegistry& tools() { return tools_; }
  int Calls() const { return model_.calls + safe_->calls + unsafe_->calls; }

  // What every task runs from now on.
  Script script;
  // From the next restart on.
  size_t max_running = 20'000;
  size_t max_pending = 100'000;
  absl::Duration give_up = absl::Seconds(60);
  absl::Duration rest_after = absl::Seconds(60);
  size_t max_batch = 1024;

  std::string Submit(v1::TaskSpec spec = v1::TaskSpec()) {
    v1::SubmitTaskRequest request;
    *request.mutable_spec() = std::move(spec);
    request.mutable_spec()->mutable_chat();
    std::promise<absl::StatusOr<LiveTask::Snapshot>> accepted;
    manager_->Submit(request, [&accepted](absl::StatusOr<LiveTask::Snapshot> snapshot) {
      accepted.set_value(std::move(snapshot));
    });
    return NameOf(accepted.get_future().get());
  }
  // `path` of the span in the task to fork at; "-": the whole task.
  v1::ForkTaskRequest ForkAt(const std::string& id, const std::string& path) {
    v1::ForkTaskRequest request;
    request.set_name("tasks/" + id);
    if (path != "-") {
      request.set_name("tasks/" + id + "/spans/" + std::to_string(SpanAt(id, path).begin_sequence));
    }
    return request;
  }
  std::string Fork(const v1::ForkTaskRequest& request) { return NameOf(manager_->Fork(request)); }
  std::string Replay(const std::string& id) {
    v1::ReplayTaskRequest request;
    request.set_name("tasks/" + id);
    return NameOf(manager_->Replay(request));
  }

  // The task when it is as `until` says.
  LiveTask::Snapshot WaitUntil(const std::string& id,
                               std::function<bool(const LiveTask::Snapshot&)> until) {
    auto changes = std::make_shared<Changes>();
    const auto subscription = manager_->hub().Subscribe(id, [changes] {
      const std::lock_guard lock(changes->mutex);
      ++changes->count;
      changes->changed.notify_all();
    });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (int seen = 0;;) {
      const auto snapshot = manager_->Get(id);
      EXPECT_TRUE(snapshot.ok()) << snapshot.status();
      if (!snapshot.ok() || until(*snapshot)) return snapshot.value_or(LiveTask::Snapshot());
      std::unique_lock lock(changes->mutex);
      if (!changes->changed.wait_until(lock, deadline, [&] { return changes->count > seen; })) {
        ADD_FAILURE() << "the task " << id << " is still in state " << snapshot->row.state;
        return *snapshot;
      }
      seen = changes->count;
    }
  }
  TaskRow End(const std::string& id) {
    return WaitUntil(id,
                     [](const LiveTask::Snapshot& seen) {
                       return seen.row.end_time != absl::InfinitePast();
                     })
        .row;
  }
  void WaitForQuestion(const std::string& id) {
    WaitUntil(id, [](const LiveTask::Snapshot& seen) {
      return seen.row.state == v1::Task::STATE_INPUT_REQUIRED && !seen.questions.empty();
    });
  }

  std::vector<SpanRecord> Spans(const std::string& id) { return *store_->LoadSpans(id); }
  SpanRecord SpanAt(const std::string& id, const std::string& path) {
    for (SpanRecord& span : Spans(id)) {
      if (span.path == path) return span;
    }
    ADD_FAILURE() << "no span " << path;
    return SpanRecord();
  }
  int64_t Number(const std::string& sql) { return QueryNumber(*store_, sql); }
  static std::string TextOf(const TaskRow& row) {
    v1::TaskResult result;
    result.ParseFromString(row.result);
    return result.text();
  }
  static v1::Usage UsageOf(const TaskRow& row) {
    v1::Usage usage;
    usage.ParseFromString(row.usage);
    return usage;
  }

 private:
  struct Changes {
    std::mutex mutex;
    std::condition_variable changed;
    int count = 0;
  };

  class ScriptKind : public TaskKind {
   public:
    explicit ScriptKind(const Script* script) : script_(script) {}
    std::string_view name() const override { return "chat"; }
    std::string TitleOf(const v1::TaskSpec&) const override { return "a script"; }
    absl::Status Validate(const v1::TaskSpec&) const override { return absl::OkStatus(); }
    Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec) const override {
      const auto text = co_await (*script_)(scope);
      if (!text.ok()) co_return text.status();
      v1::TaskResult result;
      result.set_text(*text);
      result.set_stop_reason(v1::TaskResult::STOP_REASON_COMPLETED);
      co_return result;
    }

   private:
    const Script* const script_;
  };

  static std::string NameOf(const absl::StatusOr<LiveTask::Snapshot>& made) {
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->row.name : "";
  }

  void Start() {
    Store::Options options;
    options.path = database();
    options.writer.give_up = give_up;
    options.writer.max_batch = max_batch;
    store_ = *Store::Open(std::move(options));
    RunServices services;
    services.journal = store_.get();
    services.models = &model_;
    services.tools = &tools_;
    services.prompts = &prompts_;
    TaskManagerOptions manager_options;
    manager_options.data_folder = folder_.path();
    manager_options.max_running = max_running;
    manager_options.max_pending = max_pending;
    manager_options.rest_after = rest_after;
    std::vector<std::unique_ptr<TaskKind>> kinds;
    kinds.push_back(std::make_unique<ScriptKind>(&script));
    manager_ =
        std::make_unique<TaskManager>(manager_options, services, store_.get(), std::move(kinds));
  }

  TempFolder folder_;
  CountingModel model_;
  ToolRegistry tools_;
  PromptLibrary prompts_;
  std::shared_ptr<CountingTool> safe_;
  std::shared_ptr<CountingTool> unsafe_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<TaskManager> manager_;
};

}  // namespace troupe
