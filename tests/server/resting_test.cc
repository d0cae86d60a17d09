// Tasks that wait for nothing but a person leave memory, and are as they were when one answers.
#include <gtest/gtest.h>

#include "agents/runtime/branches.h"
#include "tests/server/manager_bench.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

AsyncStatus Say(const Scope& scope, std::string name) {
  ChatRequest request;
  request.messages.push_back(UserMessage(name));
  CO_RETURN_IF_ERROR((co_await scope.Chat(name, "writer", std::move(request))).status());
  co_return absl::OkStatus();
}

Async<std::string> AskPerson(const Scope& scope, std::string name) {
  Question question;
  question.prompt = name + "?";
  CO_ASSIGN_OR_RETURN(const Json answer, co_await scope.Ask(name, std::move(question)));
  co_return answer.get<std::string>();
}

Async<std::string> SayAskSay(Scope& root) {
  CO_RETURN_IF_ERROR(co_await Say(root, "first"));
  CO_ASSIGN_OR_RETURN(const std::string answer, co_await AskPerson(root, "ask"));
  CO_RETURN_IF_ERROR(co_await Say(root, "second"));
  co_return answer;
}

Async<std::string> AskTwoPersons(Scope& root) {
  std::vector<NamedBranch<std::string>> branches;
  for (const char* name : {"one", "two"}) {
    branches.push_back({"person", name, name, [name](Scope scope) -> Async<std::string> {
                          co_return co_await AskPerson(scope, name);
                        }});
  }
  const auto answers = co_await All(root, std::move(branches));
  std::string text;
  for (const auto& answer : answers) text += answer.value_or("none") + " ";
  co_return text;
}

class RestingTest : public testing::Test {
 protected:
  RestingTest() {
    bench_.rest_after = absl::Milliseconds(20);
    bench_.script = SayAskSay;
    bench_.Restart();
  }

  std::string SubmitAndLetRest(v1::TaskSpec spec = v1::TaskSpec()) {
    std::string id = bench_.Submit(std::move(spec));
    WaitForRest(id);
    return id;
  }
  void WaitForRest(const std::string& id) {
    bench_.WaitUntil(id, [&](const LiveTask::Snapshot& seen) {
      return seen.row.state == v1::Task::STATE_INPUT_REQUIRED && !bench_.manager().IsLive(id);
    });
  }

  ManagerBench bench_;
};

TEST_F(RestingTest, GoesOnWithTheAnswerAndRepeatsNothing) {
  const std::string id = SubmitAndLetRest();
  const auto seen = bench_.manager().Get(id);
  ASSERT_TRUE(seen.ok());
  ASSERT_EQ(seen->questions.size(), 1u);
  EXPECT_EQ(seen->questions[0].question.prompt, "ask?");
  EXPECT_EQ(seen->usage.model_calls, 1);
  ASSERT_TRUE(bench_.manager().Respond(id, 0, "yes").ok());
  EXPECT_EQ(ManagerBench::TextOf(bench_.End(id)), "yes");
  EXPECT_EQ(bench_.model().calls, 2);
  // A second answer comes too late, as to any task.
  EXPECT_EQ(ReasonOf(bench_.manager().Respond(id, 0, "no")), Reason::kQuestionNotPending);
}

TEST_F(RestingTest, TwoQuestionsAreAnsweredOneByOne) {
  bench_.script = AskTwoPersons;
  const std::string id = bench_.Submit();
  bench_.WaitUntil(id, [&](const LiveTask::Snapshot& seen) {
    return seen.questions.size() == 2 && !bench_.manager().IsLive(id);
  });
  EXPECT_EQ(ReasonOf(bench_.manager().Respond(id, 0, "?")), Reason::kQuestionNotPending);
  const auto questions = bench_.manager().Get(id)->questions;
  ASSERT_TRUE(bench_.manager().Respond(id, questions[1].sequence, "b").ok());
  WaitForRest(id);
  ASSERT_EQ(bench_.manager().Get(id)->questions.size(), 1u);
  ASSERT_TRUE(bench_.manager().Respond(id, 0, "a").ok());
  EXPECT_EQ(ManagerBench::TextOf(bench_.End(id)), "a b ");
}

TEST_F(RestingTest, AnswersThatMeetATaskOnItsWayToRestAreTaken) {
  bench_.rest_after = absl::ZeroDuration();
  bench_.Restart();
  for (int i = 0; i < 50; ++i) {
    const std::string id = bench_.Submit();
    bench_.WaitUntil(id, [](const LiveTask::Snapshot& seen) {
      const bool asks = seen.row.state == v1::Task::STATE_INPUT_REQUIRED;
      EXPECT_TRUE(!asks || !seen.questions.empty());
      return asks;
    });
    ASSERT_TRUE(bench_.manager().Respond(id, 0, std::to_string(i)).ok());
    EXPECT_EQ(ManagerBench::TextOf(bench_.End(id)), std::to_string(i));
  }
}

TEST_F(RestingTest, WrongAnswerIsRefusedAndTheQuestionWaitsOn) {
  bench_.script = [](Scope& root) -> Async<std::string> {
    Question question;
    question.prompt = "How many?";
    question.schema = {{"type", "integer"}};
    CO_ASSIGN_OR_RETURN(const Json answer, co_await root.Ask("ask", std::move(question)));
    co_return DumpJson(answer);
  };
  const std::string id = SubmitAndLetRest();
  EXPECT_EQ(ReasonOf(bench_.manager().Respond(id, 0, "many")), Reason::kInvalidField);
  ASSERT_TRUE(bench_.manager().Respond(id, 0, 3).ok());
  EXPECT_EQ(ManagerBench::TextOf(bench_.End(id)), "3");
}

TEST_F(RestingTest, TimeoutStopsIt) {
  v1::TaskSpec spec;
  spec.mutable_timeout()->set_nanos(300'000'000);
  const std::string id = SubmitAndLetRest(std::move(spec));
  const TaskRow row = bench_.End(id);
  EXPECT_EQ(row.state, v1::Task::STATE_STOPPED);
  EXPECT_GE(row.end_time - row.start_time, absl::Milliseconds(300));
}

TEST_F(RestingTest, CancelEndsIt) {
  const std::string id = SubmitAndLetRest();
  ASSERT_TRUE(bench_.manager().Cancel(id, "").ok());
  EXPECT_EQ(bench_.End(id).state, v1::Task::STATE_CANCELLED);
  EXPECT_FALSE(bench_.manager().IsLive(id));
}

TEST_F(RestingTest, RestartFindsItAgain) {
  const std::string id = SubmitAndLetRest();
  bench_.Restart();
  WaitForRest(id);
  ASSERT_TRUE(bench_.manager().Respond(id, 0, "yes").ok());
  EXPECT_EQ(ManagerBench::TextOf(bench_.End(id)), "yes");
  EXPECT_EQ(bench_.model().calls, 2);
}

TEST_F(RestingTest, LeavesRoomForOthersToRun) {
  bench_.max_running = 1;
  bench_.Restart();
  const std::string first = SubmitAndLetRest();
  const std::string second = SubmitAndLetRest();
  ASSERT_TRUE(bench_.manager().Respond(first, 0, "1").ok());
  EXPECT_EQ(ManagerBench::TextOf(bench_.End(first)), "1");
  ASSERT_TRUE(bench_.manager().Respond(second, 0, "2").ok());
  EXPECT_EQ(ManagerBench::TextOf(bench_.End(second)), "2");
}

TEST_F(RestingTest, ToolThatHoldsStateKeepsItsTaskAwake) {
  bench_.unsafe().holding = true;
  bench_.script = [](Scope& root) -> Async<std::string> {
    CO_RETURN_IF_ERROR((co_await root.CallTool("hold", "unsafe", Json::object())).status());
    co_return co_await AskPerson(root, "ask");
  };
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  // Another that may rest does, meanwhile and twice over.
  bench_.script = SayAskSay;
  SubmitAndLetRest();
  SubmitAndLetRest();
  EXPECT_TRUE(bench_.manager().IsLive(id));
}

}  // namespace
}  // namespace troupe
