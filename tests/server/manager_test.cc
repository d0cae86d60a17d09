// What the manager of tasks does with tasks between two of their states, and with what comes back
// to it while it goes.
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <set>

#include "server/store/task_table.h"
#include "tests/server/manager_bench.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr auto kAWhile = std::chrono::milliseconds(200);  // in which nothing may happen

Async<std::string> AskAndEnd(Scope& root) {
  Question question;
  question.prompt = "Go on?";
  CO_RETURN_IF_ERROR((co_await root.Ask("wait", std::move(question))).status());
  co_return std::string("done");
}

class ManagerTest : public testing::Test {
 protected:
  ManagerTest() { bench_.script = AskAndEnd; }

  // Submits a task under a name of its own; whether it was accepted.
  std::future<bool> SubmitAs(const std::string& id) {
    v1::SubmitTaskRequest request;
    request.set_task_id(id);
    request.mutable_spec()->mutable_chat();
    auto accepted = std::make_shared<std::promise<bool>>();
    auto future = accepted->get_future();
    bench_.manager().Submit(request, [accepted](const absl::StatusOr<LiveTask::Snapshot>& made) {
      accepted->set_value(made.ok());
    });
    return future;
  }

  TaskRow RowOf(const std::string& id) { return bench_.manager().Get(id)->row; }

  // How often the record says that the task came to this state.
  int64_t TimesIn(const std::string& id, v1::Task::State state) {
    return bench_.Number(fmt::format(
        "SELECT count(*) FROM events e JOIN tasks t ON t.id = e.task WHERE t.name = '{}' AND "
        "e.text = '{}'",
        id, v1::Task::State_Name(state)));
  }

  ManagerBench bench_;
};

// One task may run: a first one does, a second waits.
class WaitingTest : public ManagerTest {
 protected:
  WaitingTest() {
    bench_.max_running = 1;
    bench_.give_up = absl::Milliseconds(50);
    bench_.Restart();
    running_ = bench_.Submit();
    bench_.WaitForQuestion(running_);
    waiting_ = bench_.Submit();
  }

  std::string running_;
  std::string waiting_;
};

TEST_F(WaitingTest, OneWhoseCancellingARestartBrokeOffIsCancelledInItsTurn) {
  TaskRow row = RowOf(waiting_);
  row.state = v1::Task::STATE_CANCELLING;
  ASSERT_TRUE(
      bench_.store().WriteAndWait([row](Connection& to) { return UpdateTask(to, row); }).ok());
  bench_.Restart();
  bench_.WaitForQuestion(running_);
  ASSERT_TRUE(bench_.manager().Cancel(running_, "").ok());
  EXPECT_EQ(bench_.End(waiting_).state, v1::Task::STATE_CANCELLED);
}

TEST_F(WaitingTest, WaitsOnIfTheStoreDoesNotTakeItsCancelling) {
  {
    auto other = *Connection::Open(bench_.database(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(other->Execute("BEGIN IMMEDIATE").ok());
    EXPECT_EQ(ReasonOf(bench_.manager().Cancel(waiting_, "").status()), Reason::kStoreReadOnly);
    ASSERT_TRUE(other->Execute("ROLLBACK").ok());
  }
  ASSERT_TRUE(bench_.manager().Cancel(running_, "").ok());
  bench_.WaitForQuestion(waiting_);
}

TEST_F(ManagerTest, ATaskCancelledBeforeItIsResumedStaysCancelled) {
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  bench_.RestartOnly();
  ASSERT_TRUE(bench_.manager().Cancel(id, "").ok());
  bench_.manager().Resume();
  bench_.Restart();  // so that whatever was under way is over
  EXPECT_EQ(RowOf(id).state, v1::Task::STATE_CANCELLED);
  EXPECT_EQ(TimesIn(id, v1::Task::STATE_CANCELLED), 1);
}

// A task is durable before it is started: who cancels it then must not be overtaken by its start.
TEST_F(ManagerTest, ATaskCancelledWhileItIsAcceptedDoesNotRunAfterItsEnd) {
  std::promise<void> go_on;
  auto held = go_on.get_future().share();
  std::promise<void> both_held;
  std::atomic<int> holding = 0;
  bench_.script = [&](Scope& root) -> Async<std::string> {
    const int number = ++holding;
    if (number == 2) both_held.set_value();
    if (number <= 2) {
      held.wait_for(std::chrono::seconds(30));  // holds a thread of the manager's two
      co_return std::string("held");
    }
    co_return co_await AskAndEnd(root);
  };
  for (int i = 0; i < 2; ++i) bench_.Submit();
  both_held.get_future().get();
  // Durable soon, but the manager has no thread left to start it.
  auto accepted = SubmitAs("late");
  bench_.store().Drain();
  auto cancelled =
      std::async(std::launch::async, [&] { return bench_.manager().Cancel("late", "").status(); });
  EXPECT_EQ(cancelled.wait_for(kAWhile), std::future_status::timeout);
  go_on.set_value();
  EXPECT_TRUE(cancelled.get().ok());
  EXPECT_TRUE(accepted.get());
  EXPECT_EQ(bench_.End("late").state, v1::Task::STATE_CANCELLED);
  EXPECT_EQ(TimesIn("late", v1::Task::STATE_CANCELLED), 1);
}

TEST_F(ManagerTest, WhoCancelsATaskDoesNotFindItAsItWas) {
  for (int i = 0; i < 20; ++i) {
    const std::string id = bench_.Submit();
    bench_.WaitForQuestion(id);
    ASSERT_TRUE(bench_.manager().Cancel(id, "").ok());
    EXPECT_NE(RowOf(id).state, v1::Task::STATE_INPUT_REQUIRED);
  }
}

// Watchers are told of a state as soon as its event is there: a task that they then look at must be
// in it.
TEST_F(ManagerTest, WhoIsToldOfAStateFindsIt) {
  bench_.max_batch = 1;  // every write is a commit of its own
  bench_.Restart();
  std::atomic<int64_t> behind = 0;
  const auto subscription = bench_.manager().hub().Subscribe("t", [&] {
    behind += bench_.Number(fmt::format(
        "SELECT count(*) FROM tasks t JOIN events e ON e.task = t.id WHERE t.name = 't' AND "
        "e.text = 'STATE_INPUT_REQUIRED' AND t.state <> {}",
        static_cast<int>(v1::Task::STATE_INPUT_REQUIRED)));
  });
  EXPECT_TRUE(SubmitAs("t").get());
  bench_.WaitForQuestion("t");
  EXPECT_EQ(behind, 0);
}

// The manager is told when what its tasks wrote is durable: it must not go before.
// Whose files are there, below tasks/ or elsewhere in the data folder.
std::set<std::string> NamesIn(const std::filesystem::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    names.insert(entry.path().filename());
  }
  return names;
}

TEST_F(ManagerTest, WhatAKilledServerWasAboutToAcceptOrDeleteIsRemoved) {
  const std::string kept = bench_.Submit();
  bench_.WaitForQuestion(kept);
  const TaskFolders folders(bench_.folder());
  for (const std::string& id : {kept, std::string("half")}) {
    folders.Begin(id);
    std::filesystem::create_directories(folders.Of(id) / "files");
  }
  bench_.Restart();
  EXPECT_EQ(NamesIn(bench_.folder() / "tasks"), std::set<std::string>{kept});
  EXPECT_TRUE(NamesIn(bench_.folder() / "passing").empty());
  EXPECT_TRUE(NamesIn(bench_.folder() / "lost").empty());
}

TEST_F(ManagerTest, FilesOfTasksThatTheStoreDoesNotKnowArePutAside) {
  const auto folder = bench_.folder() / "tasks/other/artifacts";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "report.md") << "dear";
  bench_.Restart();
  EXPECT_TRUE(std::filesystem::exists(bench_.folder() / "lost/other/artifacts/report.md"));
  EXPECT_TRUE(SubmitAs("other").get());
}

TEST_F(ManagerTest, AForkThatIsRefusedLeavesNoFiles) {
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  bench_.max_running = 1;
  bench_.max_pending = 0;
  bench_.Restart();
  const auto fork = bench_.manager().Fork(bench_.ForkAt(id, "-"));
  EXPECT_EQ(ReasonOf(fork.status()), Reason::kQueueFull);
  EXPECT_EQ(NamesIn(bench_.folder() / "tasks").size(),
            NamesIn(bench_.folder() / "tasks").count(id));
}

TEST_F(ManagerTest, GoesAfterWhatItsTasksWroteLast) {
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  std::promise<void> gone;
  auto is_gone = gone.get_future();
  std::promise<bool> went_first;
  bench_.store().Write(
      [&](Connection&) {
        went_first.set_value(is_gone.wait_for(kAWhile) == std::future_status::ready);
        return absl::OkStatus();
      },
      nullptr);
  bench_.CloseManager();
  gone.set_value();
  EXPECT_FALSE(went_first.get_future().get());
}

}  // namespace
}  // namespace troupe
