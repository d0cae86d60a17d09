// What a test of the runtime needs: a store in a temporary folder, tools and models that are told
// what to do, and lives of one task, each going on from the record of those before it.
#pragma once

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agents/runtime/scope.h"
#include "server/store/store.h"
#include "tests/agents/runtime/counting.h"
#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/tool_registry.h"

namespace troupe {

class RunTest : public testing::Test {
 protected:
  RunTest() {
    Store::Options options;
    options.path = (folder_.path() / "test.db").string();
    store_ = *Store::Open(std::move(options));
    TaskRow row;
    row.name = "t";
    row.create_time = row.update_time = absl::Now();
    EXPECT_TRUE(store_
                    ->WriteAndWait([row](Connection& connection) mutable {
                      return InsertTask(connection, row);
                    })
                    .ok());
    safe_ = std::make_shared<CountingTool>("safe", true);
    unsafe_ = std::make_shared<CountingTool>("unsafe", false);
    EXPECT_TRUE(tools_.Add(safe_).ok());
    EXPECT_TRUE(tools_.Add(unsafe_).ok());
  }

  // One life of the task: runs `algorithm` on the record that earlier lives left.
  template <typename T>
  absl::StatusOr<T> Live(std::function<Async<T>(Scope&)> algorithm,
                         std::function<void(TaskRun&)> meanwhile = nullptr) {
    asio::io_context io;
    RunServices services;
    services.journal = store_.get();
    services.models = &model_;
    services.tools = &tools_;
    services.prompts = prompts_;
    if (clock_) services.now = services.steady_now = clock_;
    options_.task_id = "t";
    run_ = std::make_shared<TaskRun>(services, options_, io.get_executor(), *store_->LoadSpans("t"),
                                     *store_->LastSequence("t"));
    if (meanwhile) meanwhile(*run_);
    absl::StatusOr<T> result = absl::UnknownError("the algorithm did not end");
    const auto life = [&]() -> asio::awaitable<void> {
      Scope root = Scope::Root(run_, "test", "test");
      result = co_await algorithm(root);
      root.End(result.status());
    };
    asio::co_spawn(io, life(), [](std::exception_ptr raised) {
      if (raised != nullptr) std::rethrow_exception(raised);
    });
    io.run();
    // What was appended without waiting is written behind this.
    EXPECT_TRUE(store_->WriteAndWait([](Connection&) { return absl::OkStatus(); }).ok());
    return result;
  }

  // From now on another task of the same name, of which nothing is recorded.
  void ForgetRecord() {
    run_.reset();
    EXPECT_TRUE(store_
                    ->WriteAndWait([](Connection& connection) -> absl::Status {
                      RETURN_IF_ERROR(DeleteTask(connection, "t"));
                      TaskRow row;
                      row.name = "t";
                      row.create_time = row.update_time = absl::Now();
                      return InsertTask(connection, row);
                    })
                    .ok());
  }

  static ChatRequest Say(const std::string& text) {
    ChatRequest request;
    request.messages.push_back(UserMessage(text));
    return request;
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  CountingModel model_;
  std::function<absl::Time()> clock_;  // the true one without
  ToolRegistry tools_;
  const PromptSource* prompts_ = nullptr;
  std::shared_ptr<CountingTool> safe_;
  std::shared_ptr<CountingTool> unsafe_;
  RunOptions options_;
  std::shared_ptr<TaskRun> run_;
};

}  // namespace troupe
