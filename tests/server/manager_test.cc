// What the manager of tasks does with tasks between two of their states, and with what comes back
// to it while it goes.
#include <gtest/gtest.h>

#include <future>

#include "tests/server/manager_bench.h"

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

  ManagerBench bench_;
};

// The manager is told when what its tasks wrote is durable: it must not go before.
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
