// Tasks whose tools get new versions, go, and break off in mid-call.
#include <gtest/gtest.h>

#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using ToolsThatChangeTest = RunTest;

Async<std::string> Measure(Scope& root) {
  Json arguments = Json::object();
  CO_ASSIGN_OR_RETURN(const ToolResult result, co_await root.CallTool("m", "ruler", arguments));
  co_return DumpJson(result.value);
}

TEST_F(ToolsThatChangeTest, ATaskKeepsToTheVersionThatItsRecordNames) {
  const auto old = std::make_shared<CountingTool>("ruler", true, "1");
  ASSERT_TRUE(tools_.Add(old).ok());
  ASSERT_EQ(*Live<std::string>(Measure), "1");
  const auto fresh = std::make_shared<CountingTool>("ruler", true, "2");
  ASSERT_TRUE(tools_.Add(fresh).ok());
  const auto again = Live<std::string>(Measure);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, "1");
  EXPECT_EQ(old->recalls, 1);
  EXPECT_EQ(fresh->calls + fresh->recalls, 0);
  // When the old version is no more, the new one is no silent replacement.
  ASSERT_TRUE(tools_.Remove("ruler@1"));
  EXPECT_TRUE(HasReason(Live<std::string>(Measure).status(), Reason::kDivergence));
  // When none is known, what is recorded stands.
  ASSERT_TRUE(tools_.Remove("ruler"));
  EXPECT_EQ(*Live<std::string>(Measure), "1");
}

TEST_F(ToolsThatChangeTest, AnInterruptedCallIsMadeInTheVersionThatBegan) {
  const auto old = std::make_shared<CountingTool>("ruler", true, "1");
  ASSERT_TRUE(tools_.Add(old).ok());
  CancelSource source;
  options_.cancel = source.token();
  old->on_call = [&] {
    source.Cancel(CancelReason::kShutdown, "the server stops in the middle");
    return source.token().status();
  };
  EXPECT_FALSE(Live<std::string>(Measure).ok());
  old->on_call = nullptr;
  options_.cancel = CancelToken();
  const auto fresh = std::make_shared<CountingTool>("ruler", true, "2");
  ASSERT_TRUE(tools_.Add(fresh).ok());
  EXPECT_EQ(*Live<std::string>(Measure), "2");
  EXPECT_EQ(old->calls, 2);
  EXPECT_EQ(fresh->calls, 0);
}

TEST_F(ToolsThatChangeTest, APersonIsAskedEachTimeACallBreaksOff) {
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    Json arguments = Json::object();
    CO_ASSIGN_OR_RETURN(const ToolResult result,
                        co_await root.CallTool("send", "unsafe", arguments));
    co_return result.is_error ? "skipped" : "done";
  };
  unsafe_->on_call = [] { return Error(Reason::kToolInterrupted, "whoever served it is gone"); };
  std::vector<std::string> asked;
  const auto answer = [&asked](TaskRun& run) {
    run.on_questions_changed = [&run, &asked] {
      if (run.Pending().empty()) return;
      const std::string path = run.Pending()[0].path;
      asked.push_back(path);
      const Json choice = asked.size() < 3 ? "retry" : "skip";
      asio::post(run.strand(),
                 [&run, path, choice] { EXPECT_TRUE(run.Answer(path, choice, nullptr).ok()); });
    };
  };
  EXPECT_EQ(*Live<std::string>(algorithm, answer), "skipped");
  EXPECT_EQ(asked, (std::vector<std::string>{"send.interrupted:1", "send.interrupted:2",
                                             "send.interrupted:3"}));
  EXPECT_EQ(unsafe_->calls, 3);
  EXPECT_EQ(*Live<std::string>(algorithm), "skipped");
  EXPECT_EQ(unsafe_->calls, 3);
}

}  // namespace
}  // namespace troupe
