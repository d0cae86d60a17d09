#include <gtest/gtest.h>

#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

using EffectsTest = RunTest;

TEST_F(EffectsTest, RecordedEffectsAreNotPerformedAgain) {
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    Scope step = root.Open("step", "step:1", "");
    CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await step.Chat("ask", "r", Say("hello")));
    Json arguments = Json::object();
    CO_ASSIGN_OR_RETURN(const ToolResult safe, co_await step.CallTool("a", "safe", arguments));
    CO_ASSIGN_OR_RETURN(const ToolResult unsafe, co_await step.CallTool("b", "unsafe", arguments));
    CO_ASSIGN_OR_RETURN(const absl::Time now, co_await step.Now("now"));
    step.End();
    co_return reply.message.text() + DumpJson(safe.value) + DumpJson(unsafe.value) +
        absl::FormatTime(now) + std::to_string(step.Random("dice"));
  };
  const auto first = Live<std::string>(algorithm);
  ASSERT_TRUE(first.ok()) << first.status();
  const int64_t spent = run_->ledger().spent().tokens();
  const auto second = Live<std::string>(algorithm);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(model_.calls, 1);
  EXPECT_EQ(safe_->calls, 1);
  EXPECT_EQ(unsafe_->calls, 1);
  EXPECT_EQ(safe_->recalls, 1);
  EXPECT_EQ(run_->ledger().spent().tokens(), spent);
}

TEST_F(EffectsTest, ClosingWorkIsNeitherLimitedNorCounted) {
  options_.limits.task.tool_calls = 1;
  const auto algorithm = [](Scope& root) -> Async<int> {
    Json arguments = Json::object();
    CO_RETURN_IF_ERROR((co_await root.CallTool("work", "safe", arguments)).status());
    const auto refused = co_await root.CallTool("more", "safe", arguments);
    EXPECT_EQ(ReasonOf(refused.status()), Reason::kBudgetExceeded);
    Scope closing = root.ForClosing().Open("closing", "closing", "");
    CO_RETURN_IF_ERROR((co_await closing.CallTool("save", "safe", arguments)).status());
    closing.End();
    co_return 1;
  };
  for (int life = 1; life <= 2; ++life) {  // a later life must not count otherwise
    ASSERT_TRUE(Live<int>(algorithm).ok());
    EXPECT_EQ(run_->ledger().spent().tool_calls, 1) << "life " << life;
  }
}

TEST_F(EffectsTest, RoleMayNotWaitForItsModelBeyondItsTime) {
  options_.limits.roles["slow"].model_time = absl::Seconds(5);
  absl::Time now = absl::FromUnixSeconds(1'000'000);
  clock_ = [&now] { return now; };
  model_.reply = [&now](const ChatRequest&) -> absl::StatusOr<ChatReply> {
    now += absl::Seconds(3);
    ChatReply reply;
    reply.message = AssistantMessage("done");
    return reply;
  };
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    CO_RETURN_IF_ERROR((co_await root.Chat("one", "slow", Say("a"))).status());
    CO_RETURN_IF_ERROR((co_await root.Chat("two", "slow", Say("b"))).status());  // 3 of 5 are spent
    CO_RETURN_IF_ERROR((co_await root.Chat("three", "other", Say("c"))).status());
    co_return MetadataOf((co_await root.Chat("four", "slow", Say("d"))).status())["limit"];
  };
  EXPECT_EQ(*Live<std::string>(algorithm), "model_time");
  EXPECT_EQ(*Live<std::string>(algorithm), "model_time");
  EXPECT_EQ(model_.calls, 3);
}

TEST_F(EffectsTest, ChangedRequestIsADivergenceThatShowsBoth) {
  std::string text = "the first text";
  const auto algorithm = [&text](Scope& root) -> Async<int> {
    CO_RETURN_IF_ERROR((co_await root.Chat("ask", "r", Say(text))).status());
    co_return 1;
  };
  ASSERT_TRUE(Live<int>(algorithm).ok());
  text = "the other text";
  const auto second = Live<int>(algorithm);
  EXPECT_EQ(ReasonOf(second.status()), Reason::kDivergence);
  const auto metadata = MetadataOf(second.status());
  EXPECT_EQ(metadata.at("path"), "ask");
  EXPECT_NE(metadata.at("recorded_request").find("the first text"), std::string::npos);
  EXPECT_NE(metadata.at("new_request").find("the other text"), std::string::npos);
  // And for people, one below the other.
  EXPECT_NE(MessageOf(second.status())
                .find("-      - text: \"the first text\"\n+      - text: \"the other text\"\n"),
            std::string::npos)
      << second.status();
  EXPECT_EQ(model_.calls, 1);
}

TEST_F(EffectsTest, FailureIsAnOutcomeThatIsRecorded) {
  model_.reply = [](const ChatRequest&) -> absl::StatusOr<ChatReply> {
    return Error(Reason::kModelRejected, "no such model", {{"model", "x"}});
  };
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    const auto reply = co_await root.Chat("ask", "r", Say("hello"));
    co_return std::string(MessageOf(reply.status()));
  };
  EXPECT_EQ(*Live<std::string>(algorithm), "no such model");
  EXPECT_EQ(*Live<std::string>(algorithm), "no such model");
  EXPECT_EQ(model_.calls, 1);
}

TEST_F(EffectsTest, StoppedCallHasNoOutcomeAndIsMadeAgain) {
  CancelSource source;
  options_.cancel = source.token();
  model_.reply = [&](const ChatRequest&) -> absl::StatusOr<ChatReply> {
    source.Cancel(CancelReason::kShutdown, "closing");
    return source.token().status();
  };
  const auto algorithm = [](Scope& root) -> Async<int> {
    CO_RETURN_IF_ERROR((co_await root.Chat("ask", "r", Say("hello"))).status());
    co_return 1;
  };
  EXPECT_EQ(Live<int>(algorithm).status().code(), absl::StatusCode::kCancelled);
  options_.cancel = CancelToken();
  model_.reply = CountingModel().reply;
  EXPECT_TRUE(Live<int>(algorithm).ok());
  EXPECT_EQ(model_.calls, 2);
}

TEST_F(EffectsTest, OnePathForOneEffect) {
  const auto algorithm = [](Scope& root) -> Async<int> {
    CO_RETURN_IF_ERROR((co_await root.Chat("ask", "r", Say("a"))).status());
    CO_RETURN_IF_ERROR((co_await root.Chat("ask", "r", Say("b"))).status());
    co_return 1;
  };
  EXPECT_EQ(ReasonOf(Live<int>(algorithm).status()), Reason::kInternal);
}

// A tool that may not be repeated was interrupted in the middle: a person decides.
class InterruptedCallTest : public RunTest, public testing::WithParamInterface<std::string> {};

TEST_P(InterruptedCallTest, APersonDecides) {
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    Json arguments = {{"x", 1}};
    CO_ASSIGN_OR_RETURN(const ToolResult result,
                        co_await root.CallTool("send", "unsafe", arguments));
    co_return result.is_error ? "skipped" : DumpJson(result.value);
  };
  CancelSource source;
  options_.cancel = source.token();
  unsafe_->on_call = [&] {
    source.Cancel(CancelReason::kShutdown, "the server stops in the middle");
    return source.token().status();
  };
  EXPECT_FALSE(Live<std::string>(algorithm).ok());
  EXPECT_EQ(unsafe_->calls, 1);
  unsafe_->on_call = nullptr;
  options_.cancel = CancelToken();
  const std::string choice = GetParam();
  const auto answer_when_asked = [&choice](TaskRun& run) {
    run.on_questions_changed = [&run, choice] {
      const auto pending = run.Pending();
      if (pending.empty()) return;
      EXPECT_EQ(pending[0].question.kind, QuestionKind::kInterruptedCall);
      EXPECT_NE(
          pending[0].question.prompt.find("whether it took effect. Answer retry (call again)"),
          std::string::npos)
          << pending[0].question.prompt;
      EXPECT_EQ(pending[0].question.detail["arguments"]["x"], 1);
      const std::string path = pending[0].path;
      asio::post(run.strand(), [&run, path, choice] {
        EXPECT_FALSE(run.Answer(path, "perhaps", nullptr).ok());
        const Json answer = choice == "result" ? Json({{"result", "by hand"}}) : Json(choice);
        EXPECT_TRUE(run.Answer(path, answer, nullptr).ok());
      });
    };
  };
  const auto result = Live<std::string>(algorithm, answer_when_asked);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, choice == "retry" ? "2" : choice == "skip" ? "skipped" : "\"by hand\"");
  EXPECT_EQ(unsafe_->calls, choice == "retry" ? 2 : 1);
  // And the decision holds in the next life.
  const auto again = Live<std::string>(algorithm);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *result);
}

INSTANTIATE_TEST_SUITE_P(Answers, InterruptedCallTest, testing::Values("retry", "skip", "result"),
                         [](const auto& info) { return info.param; });

TEST_F(EffectsTest, BudgetIsReservedBeforeAndSharedByBranches) {
  options_.limits.task.model_calls = 2;
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    std::string outcome;
    for (int i = 0; i < 3; ++i) {
      const std::string name = "ask:" + std::to_string(i);
      const auto reply = co_await root.Chat(name, "r", Say("hello"));
      outcome += reply.ok() ? "ok " : MetadataOf(reply.status())["limit"] + " ";
    }
    co_return outcome;
  };
  EXPECT_EQ(*Live<std::string>(algorithm), "ok ok model_calls ");
  EXPECT_EQ(model_.calls, 2);
  EXPECT_EQ(*Live<std::string>(algorithm), "ok ok model_calls ");
  EXPECT_EQ(model_.calls, 2);
}

TEST_F(EffectsTest, ReplayPerformsNothing) {
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await root.Chat("ask", "r", Say("hello")));
    co_return reply.message.text();
  };
  options_.mode = RunMode::kReplayOnly;
  EXPECT_EQ(ReasonOf(Live<std::string>(algorithm).status()), Reason::kReplayMissing);
  options_.mode = RunMode::kLive;
  ASSERT_TRUE(Live<std::string>(algorithm).ok());
  options_.mode = RunMode::kReplayOnly;
  EXPECT_EQ(*Live<std::string>(algorithm), "echo hello");
  EXPECT_EQ(model_.calls, 1);
}

TEST_F(EffectsTest, ConversationCostsLinearSpace) {
  const auto algorithm = [](Scope& root) -> Async<int64_t> {
    ChatRequest request;
    int64_t unique = 0;
    for (int turn = 0; turn < 100; ++turn) {
      std::string text = "turn " + std::to_string(turn);
      // Text that does not compress.
      for (int i = 0; i < 60; ++i) {
        text += std::to_string(root.Random(std::to_string(turn) + "/" + std::to_string(i)));
      }
      unique += 2 * static_cast<int64_t>(text.size());
      request.messages.push_back(UserMessage(text));
      const std::string name = "turn:" + std::to_string(turn);
      CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await root.Chat(name, "r", request));
      request.messages.push_back(reply.message);
    }
    co_return unique;
  };
  const auto unique = Live<int64_t>(algorithm);
  ASSERT_TRUE(unique.ok()) << unique.status();
  int64_t stored = 0;
  ASSERT_TRUE(store_
                  ->Read([&](Connection& connection) -> absl::Status {
                    auto statement = connection.Prepare("SELECT sum(length(bytes)) FROM contents");
                    RETURN_IF_ERROR(statement->Step().status());
                    stored = statement->Int(0);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_LT(stored, 3 * *unique);
}

TEST_F(EffectsTest, DrawsAreRecordedAndRepeatedWhateverTheSeed) {
  const auto algorithm = [](Scope& root) -> Async<std::string> {
    const uint64_t first = root.Random("draw");
    CO_RETURN_IF_ERROR((co_await root.Chat("ask", "r", Say(std::to_string(first)))).status());
    co_return std::to_string(first) + " " + std::to_string(root.Random("draw"));
  };
  options_.seed = 1;
  const auto first = Live<std::string>(algorithm);
  ASSERT_TRUE(first.ok()) << first.status();
  options_.seed = 2;
  EXPECT_EQ(*Live<std::string>(algorithm), *first);
  EXPECT_EQ(model_.calls, 1);
  const size_t space = first->find(' ');
  EXPECT_EQ(first->substr(0, space), first->substr(space + 1));
}

TEST_F(EffectsTest, StructuredReplyIsRepairedOnce) {
  int tries = 0;
  model_.reply = [&](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
    ChatReply reply;
    reply.message =
        AssistantMessage(++tries == 1 ? "{\"n\": \"three\"}" : "```json\n{\"n\": 3}\n```");
    if (tries == 2) {
      EXPECT_NE(request.messages.back().text().find("$.n"), std::string::npos);
    }
    return reply;
  };
  const auto algorithm = [](Scope& root) -> Async<Json> {
    ChatRequest request = Say("a number, please");
    request.reply_schema = ReplySchema{
        "number",
        {{"type", "object"}, {"properties", {{"n", {{"type", "integer"}}}}}, {"required", {"n"}}}};
    co_return co_await root.ChatJson("number", "r", std::move(request));
  };
  const auto value = Live<Json>(algorithm);
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ((*value)["n"], 3);
  EXPECT_EQ(tries, 2);
}

}  // namespace
}  // namespace troupe
