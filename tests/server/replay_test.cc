// Replays: nothing outside is touched, and every end is come to again.
#include <gtest/gtest.h>

#include "server/services/trace_diff.h"
#include "tests/server/manager_bench.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

class ReplayTest : public testing::Test {
 protected:
  // Every kind of effect, and then what `last` does.
  void Perform(std::function<Async<std::string>(Scope&)> last) {
    last_ = std::move(last);
    bench_.script = [this](Scope& root) -> Async<std::string> {
      Scope step = root.Open("step", "step:1", "");
      ChatRequest request;
      request.messages.push_back(UserMessage(std::to_string(step.Random("draw"))));
      CO_ASSIGN_OR_RETURN(const ChatReply reply,
                          co_await step.Chat("ask", "r", std::move(request)));
      Json arguments = Json::object();
      CO_RETURN_IF_ERROR((co_await step.CallTool("safe", "safe", arguments)).status());
      CO_RETURN_IF_ERROR((co_await step.CallTool("unsafe", "unsafe", arguments)).status());
      CO_ASSIGN_OR_RETURN(const absl::Time now, co_await step.Now("now"));
      step.Note("time", absl::FormatTime(now));
      step.End();
      CO_ASSIGN_OR_RETURN(const std::string text, co_await last_(root));
      Scope closing = root.ForClosing().Open("closing", "closing", "");
      CO_RETURN_IF_ERROR((co_await closing.CallTool("close", "safe", arguments)).status());
      closing.End();
      co_return reply.message.text() + absl::FormatTime(now) + text;
    };
  }

  static Async<std::string> AskPerson(const Scope& root) {
    Question question;
    question.prompt = "Well?";
    CO_ASSIGN_OR_RETURN(const Json answer, co_await root.Ask("person", std::move(question)));
    co_return answer.get<std::string>();
  }

  // Replays the task and compares the two; returns the replay's row.
  TaskRow ReplayAndCompare(const std::string& id) {
    const TaskRow source = bench_.End(id);
    const int calls = bench_.Calls();
    const int recalls = bench_.safe().recalls;
    const std::string replay = bench_.Replay(id);
    const TaskRow again = bench_.End(replay);
    EXPECT_EQ(bench_.Calls(), calls);
    EXPECT_EQ(bench_.safe().recalls, recalls);
    EXPECT_EQ(again.state, source.state) << again.error;
    EXPECT_EQ(again.error, source.error);
    EXPECT_EQ(again.result, source.result);
    EXPECT_EQ(again.usage, source.usage);
    const std::vector<SpanRecord> a = bench_.Spans(id);
    const std::vector<SpanRecord> b = bench_.Spans(replay);
    const TraceDiff diff = CompareTraces(a, b);
    for (const SpanPair& pair : diff.pairs) {
      // An effect that was stopped in the middle has no record to replay.
      const bool stopped = !pair.paired() && pair.any().state == SpanState::kCancelled;
      EXPECT_TRUE(stopped || !pair.differs()) << pair.any().path;
    }
    return again;
  }

  ManagerBench bench_;
  std::function<Async<std::string>(Scope&)> last_;
};

TEST_F(ReplayTest, OfATaskThatSucceeded) {
  Perform([](Scope&) -> Async<std::string> { co_return "done"; });
  const std::string id = bench_.Submit();
  EXPECT_EQ(ReplayAndCompare(id).state, v1::Task::STATE_SUCCEEDED);
}

TEST_F(ReplayTest, OfAReplayAndOfAFork) {
  Perform([](Scope& root) -> Async<std::string> { co_return co_await AskPerson(root); });
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  v1::ForkTaskRequest request = bench_.ForkAt(id, "person");
  request.set_text("by the fork");
  const std::string fork = bench_.Fork(request);
  ReplayAndCompare(fork);
  ASSERT_TRUE(bench_.manager().Respond(id, 0, "by a person").ok());
  ReplayAndCompare(id);
  ReplayAndCompare(bench_.Replay(fork));
}

TEST_F(ReplayTest, OfAForkThatInheritedOtherRequests) {
  std::string style = "old";
  bench_.script = [&style](Scope& root) -> Async<std::string> {
    std::string text;
    for (int i = 1; i <= 2; ++i) {
      ChatRequest request;
      request.messages.push_back(UserMessage(style));
      CO_ASSIGN_OR_RETURN(const ChatReply reply,
                          co_await root.Chat(fmt::format("ask:{}", i), "r", std::move(request)));
      text += reply.message.text();
    }
    co_return text;
  };
  const std::string id = bench_.Submit();
  bench_.End(id);
  style = "new";
  const std::string fork = bench_.Fork(bench_.ForkAt(id, "ask:2"));
  EXPECT_EQ(bench_.TextOf(bench_.End(fork)), "echo oldecho new");
  ReplayAndCompare(fork);
  // The task forked from is not repeated by the new style: its replay says so.
  const TaskRow diverged = bench_.End(bench_.Replay(id));
  EXPECT_EQ(ReasonOf(StatusFromText(diverged.error)), Reason::kDivergence) << diverged.error;
}

TEST_F(ReplayTest, OfATaskThatFailed) {
  Perform([](Scope& root) -> Async<std::string> {
    Json arguments = Json::object();
    CO_RETURN_IF_ERROR((co_await root.CallTool("none", "no_such_tool", arguments)).status());
    co_return "unreachable";
  });
  const std::string id = bench_.Submit();
  EXPECT_EQ(ReplayAndCompare(id).state, v1::Task::STATE_FAILED);
}

TEST_F(ReplayTest, OfATaskThatWasCancelled) {
  Perform([](Scope& root) -> Async<std::string> { co_return co_await AskPerson(root); });
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  ASSERT_TRUE(bench_.manager().Cancel(id, "enough").ok());
  EXPECT_EQ(ReplayAndCompare(id).state, v1::Task::STATE_CANCELLED);
}

TEST_F(ReplayTest, OfATaskThatTimeStopped) {
  Perform([](Scope& root) -> Async<std::string> { co_return co_await AskPerson(root); });
  for (const bool by_budget : {false, true}) {
    v1::TaskSpec spec;
    google::protobuf::Duration limit;
    limit.set_nanos(200'000'000);
    *(by_budget ? spec.mutable_budget()->mutable_max_wall_time() : spec.mutable_timeout()) = limit;
    const std::string id = bench_.Submit(spec);
    EXPECT_EQ(ReplayAndCompare(id).state, v1::Task::STATE_STOPPED);
  }
}

TEST_F(ReplayTest, OfATaskThatItsBudgetStopped) {
  Perform([](Scope& root) -> Async<std::string> {
    Json arguments = Json::object();
    CO_RETURN_IF_ERROR((co_await root.CallTool("third", "safe", arguments)).status());
    co_return "unreachable";
  });
  v1::TaskSpec spec;
  spec.mutable_budget()->set_max_tool_calls(2);
  const std::string id = bench_.Submit(spec);
  EXPECT_EQ(ReplayAndCompare(id).state, v1::Task::STATE_STOPPED);
}

TEST_F(ReplayTest, GoesOnAfterARestart) {
  bench_.script = [](Scope& root) -> Async<std::string> {
    for (int i = 1; i <= 300; ++i) {
      ChatRequest request;
      request.messages.push_back(UserMessage(std::to_string(i)));
      CO_RETURN_IF_ERROR(
          (co_await root.Chat(fmt::format("ask:{}", i), "r", std::move(request))).status());
    }
    co_return "done";
  };
  const std::string id = bench_.Submit();
  bench_.End(id);
  const std::string replay = bench_.Replay(id);
  bench_.Restart();
  EXPECT_EQ(bench_.End(replay).state, v1::Task::STATE_SUCCEEDED);
  EXPECT_EQ(bench_.model().calls, 300);
}

TEST_F(ReplayTest, SaysWhereARecordThatOughtToBeCompleteEnds) {
  bool more = false;
  Perform([&more](Scope& root) -> Async<std::string> {
    if (more) {
      Json arguments = Json::object();
      CO_RETURN_IF_ERROR((co_await root.CallTool("further", "safe", arguments)).status());
    }
    co_return "done";
  });
  const std::string id = bench_.Submit();
  bench_.End(id);
  more = true;
  const int calls = bench_.Calls();
  const TaskRow replay = bench_.End(bench_.Replay(id));
  EXPECT_EQ(ReasonOf(StatusFromText(replay.error)), Reason::kReplayMissing) << replay.error;
  EXPECT_EQ(bench_.Calls(), calls);
}

}  // namespace
}  // namespace troupe
