// Providers as the hub sees them: who gets which call, what becomes of it when streams break.
#include "server/providers/provider_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>
#include <deque>
#include <future>

#include "tests/support/run_async.h"
#include "tests/support/slowness.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/dice_tool.h"
#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "tools/base/safe_file.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;
using Answer = absl::StatusOr<ToolResult>;

// A provider's end of a stream, without the stream.
class FakeStream : public ProviderOutlet {
 public:
  void Send(v1::AttachResponse message) override {
    MutexLock lock(&mutex_);
    messages_.push_back(std::move(message));
  }
  int64_t waiting_bytes() const override { return 0; }
  void ReadNext() override {}
  void Close(const absl::Status& status) override {
    MutexLock lock(&mutex_);
    if (!closed_) status_ = status;
    closed_ = true;
  }
  void Drop() override { Close(absl::CancelledError("dropped")); }

  // The next message of a kind; what comes before it is passed over.
  v1::AttachResponse Next(v1::AttachResponse::MessageCase kind) {
    MutexLock lock(&mutex_);
    v1::AttachResponse found;
    const auto there = [&] {
      while (!messages_.empty() && messages_.front().message_case() != kind) messages_.pop_front();
      return !messages_.empty();
    };
    if (!mutex_.AwaitWithTimeout(Condition(&there), Slowness() * absl::Seconds(10))) {
      ADD_FAILURE() << "no message of kind " << kind;
      return found;
    }
    found = std::move(messages_.front());
    messages_.pop_front();
    return found;
  }
  v1::ProviderCall NextCall() { return Next(v1::AttachResponse::kCall).call(); }
  v1::ProviderWelcome Welcome() { return Next(v1::AttachResponse::kWelcome).welcome(); }
  absl::Status End() {
    MutexLock lock(&mutex_);
    EXPECT_TRUE(mutex_.AwaitWithTimeout(Condition(&closed_), Slowness() * absl::Seconds(10)));
    return status_;
  }

 private:
  Mutex mutex_;
  std::deque<v1::AttachResponse> messages_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

v1::AttachRequest Hello(const std::string& id, bool idempotent = false) {
  v1::AttachRequest message;
  message.mutable_hello()->set_provider_id(id);
  v1::ToolOffer* tool = message.mutable_hello()->add_tools();
  tool->set_name("echo");
  tool->set_description("Says what it is told.");
  tool->set_arguments_schema(R"({"type": "object"})");
  tool->set_idempotent(idempotent);
  return message;
}

v1::AttachRequest ResultOf(const v1::ProviderCall& call, const std::string& value) {
  v1::AttachRequest message;
  message.mutable_result()->set_call_id(call.call_id());
  message.mutable_result()->mutable_output()->set_value_json(value);
  return message;
}

v1::AttachRequest FailureOf(const v1::ProviderCall& call) {
  v1::AttachRequest message;
  message.mutable_result()->set_call_id(call.call_id());
  message.mutable_result()->mutable_failure()->set_message("out of order");
  return message;
}

class ProviderHubTest : public testing::Test {
 protected:
  void Start(absl::Duration grace = absl::Seconds(20)) {
    ProviderLimits limits;
    limits.grace = Slowness() * grace;
    limits.max_providers = 3;
    hub_ = std::make_unique<ProviderHub>(limits, folder_.path() / "tools.json", &registry_);
    ASSERT_TRUE(hub_->Start().ok());
  }
  ~ProviderHubTest() override {
    if (hub_ != nullptr) hub_->Close();
    threads_.join();
  }

  std::shared_ptr<FakeStream> Attach(v1::AttachRequest hello) {
    auto stream = std::make_shared<FakeStream>();
    hub_->Receive(stream, std::move(hello));
    return stream;
  }
  std::shared_ptr<FakeStream> Attached(const v1::AttachRequest& hello) {
    auto stream = Attach(hello);
    token_ = stream->Welcome().session_token();
    return stream;
  }
  std::future<Answer> Call(int number) { return Call(number, cancel_.token()); }
  std::future<Answer> Call(int number, CancelToken cancel) {
    ToolCall call;
    call.arguments = {{"number", number}};
    call.context.task_id = "t";
    call.context.path = std::to_string(number);
    call.context.cancel = std::move(cancel);
    call.context.workspace.root = folder_.path();
    return asio::co_spawn(asio::make_strand(threads_), registry_.Call("echo", std::move(call)),
                          asio::use_future);
  }

  TempFolder folder_;
  ToolRegistry registry_;
  CancelSource cancel_;
  asio::thread_pool threads_{2};
  std::unique_ptr<ProviderHub> hub_;
  std::string token_;
};

TEST_F(ProviderHubTest, ProvidersTakeTurnsAndFullOnesAreSkipped) {
  Start();
  v1::AttachRequest one_at_a_time = Hello("a");
  one_at_a_time.mutable_hello()->set_max_concurrent(1);
  const auto a = Attached(one_at_a_time);
  const auto b = Attached(Hello("b"));
  auto first = Call(1);
  const v1::ProviderCall held = a->NextCall();
  auto second = Call(2);
  hub_->Receive(b, ResultOf(b->NextCall(), "2"));
  auto third = Call(3);
  hub_->Receive(b, ResultOf(b->NextCall(), "3"));
  EXPECT_EQ(second.get()->value, 2);
  EXPECT_EQ(third.get()->value, 3);
  hub_->Receive(a, ResultOf(held, "1"));
  const Answer answer = first.get();
  EXPECT_EQ(answer->value, 1);
  EXPECT_EQ(answer->notes["provider"], "a");
}

TEST_F(ProviderHubTest, AStreamThatBreaksLosesNoCall) {
  Start();
  auto stream = Attached(Hello("a"));
  auto kept = Call(1);
  const v1::ProviderCall known = stream->NextCall();
  auto lost = Call(2);
  stream->NextCall();
  hub_->StreamEnded(stream);
  v1::AttachRequest again = Hello("a");
  again.mutable_hello()->set_session_token(token_);
  again.mutable_hello()->add_held_calls(known.call_id());
  stream = Attach(again);
  EXPECT_TRUE(stream->Welcome().resumed());
  const v1::ProviderCall resent = stream->NextCall();
  EXPECT_TRUE(resent.again());
  EXPECT_EQ(resent.tool().arguments_json(), R"({"number":2})");
  hub_->Receive(stream, ResultOf(resent, "2"));
  hub_->Receive(stream, ResultOf(known, "1"));
  EXPECT_EQ(lost.get()->value, 2);
  EXPECT_EQ(kept.get()->value, 1);
}

TEST_F(ProviderHubTest, WhoStaysAwayInterruptsWhatMayNotBeRepeated) {
  Start(absl::Milliseconds(300));
  const auto stream = Attached(Hello("a"));
  auto call = Call(1);
  stream->NextCall();
  hub_->StreamEnded(stream);
  EXPECT_TRUE(HasReason(call.get().status(), Reason::kToolInterrupted));
  EXPECT_FALSE((*registry_.Find("echo"))->available());
  EXPECT_TRUE(registry_.List().empty());
  const Answer nobody = Call(2).get();
  EXPECT_THAT(std::string(MessageOf(nobody.status())), HasSubstr("no provider of it is attached"));
}

TEST_F(ProviderHubTest, WhoBeginsAnewGetsWhatMayBeRepeated) {
  Start();
  auto stream = Attached(Hello("a", /*idempotent=*/true));
  auto call = Call(1);
  const v1::ProviderCall first = stream->NextCall();
  hub_->StreamEnded(stream);
  stream = Attached(Hello("a", /*idempotent=*/true));
  const v1::ProviderCall second = stream->NextCall();
  EXPECT_EQ(second.call_id(), first.call_id());
  hub_->Receive(stream, ResultOf(second, "1"));
  const Answer answer = call.get();
  EXPECT_EQ(answer->value, 1);
  EXPECT_EQ(answer->notes["attempts"], 2);
}

TEST_F(ProviderHubTest, WhoFailsAgainAndAgainIsLeftAlone) {
  Start();
  const auto stream = Attached(Hello("a"));
  for (int i = 1; i <= 5; ++i) {
    auto call = Call(i);
    hub_->Receive(stream, FailureOf(stream->NextCall()));
    EXPECT_THAT(std::string(MessageOf(call.get().status())), HasSubstr("out of order"));
  }
  const Answer refused = Call(6).get();
  EXPECT_THAT(std::string(MessageOf(refused.status())), HasSubstr("it failed 5 times in a row"));
  // Another one has no part in that.
  const auto other = Attached(Hello("b"));
  auto call = Call(7);
  hub_->Receive(other, ResultOf(other->NextCall(), "7"));
  EXPECT_EQ(call.get()->value, 7);
}

TEST_F(ProviderHubTest, WhoAnswersWhatDoesNotFitFailsAsWell) {
  Start();
  v1::AttachRequest hello = Hello("a");
  hello.mutable_hello()->mutable_tools(0)->set_result_schema(R"({"type": "integer"})");
  const auto stream = Attached(hello);
  for (int i = 1; i <= 5; ++i) {
    auto call = Call(i);
    hub_->Receive(stream, ResultOf(stream->NextCall(), R"("five")"));
    EXPECT_THAT(std::string(MessageOf(call.get().status())), HasSubstr("must be integer"));
  }
  EXPECT_THAT(std::string(MessageOf(Call(6).get().status())), HasSubstr("5 times in a row"));
}

TEST_F(ProviderHubTest, AFailedCallThatMayBeRepeatedGoesToAnother) {
  Start();
  const auto a = Attached(Hello("a", /*idempotent=*/true));
  const auto b = Attached(Hello("b", /*idempotent=*/true));
  auto call = Call(1);
  hub_->Receive(a, FailureOf(a->NextCall()));
  hub_->Receive(b, ResultOf(b->NextCall(), "1"));
  EXPECT_EQ(call.get()->value, 1);
}

TEST_F(ProviderHubTest, CancellingTellsTheProviderAndFreesItsPlaceWhenItAnswers) {
  Start();
  v1::AttachRequest hello = Hello("a");
  hello.mutable_hello()->set_max_concurrent(1);
  const auto stream = Attached(hello);
  CancelSource cancel;
  auto call = Call(1, cancel.token());
  const v1::ProviderCall given_up = stream->NextCall();
  cancel.Cancel(CancelReason::kDeadline, "it takes too long");
  EXPECT_TRUE(absl::IsDeadlineExceeded(call.get().status()));
  EXPECT_EQ(stream->Next(v1::AttachResponse::kCancel).cancel().call_id(), given_up.call_id());
  auto next = Call(2);
  hub_->Receive(stream, ResultOf(given_up, "too late"));
  hub_->Receive(stream, ResultOf(stream->NextCall(), "2"));
  EXPECT_EQ(next.get()->value, 2);
}

TEST_F(ProviderHubTest, FilesAndPartialOutputArrive) {
  Start();
  const auto stream = Attached(Hello("a"));
  auto call = Call(1);
  const v1::ProviderCall asked = stream->NextCall();
  for (const char* piece : {"one ", "two"}) {
    v1::AttachRequest message;
    v1::ArtifactChunk* chunk = message.mutable_artifact();
    chunk->set_call_id(asked.call_id());
    chunk->set_name("counted.txt");
    chunk->set_data(piece);
    chunk->set_last(std::string(piece) == "two");
    hub_->Receive(stream, std::move(message));
    v1::AttachRequest progress;
    progress.mutable_progress()->set_call_id(asked.call_id());
    progress.mutable_progress()->set_output(piece);
    hub_->Receive(stream, std::move(progress));
  }
  v1::AttachRequest outside;
  outside.mutable_artifact()->set_call_id(asked.call_id());
  outside.mutable_artifact()->set_name("../outside.txt");
  outside.mutable_artifact()->set_last(true);
  hub_->Receive(stream, std::move(outside));
  hub_->Receive(stream, ResultOf(asked, ""));
  const Answer answer = call.get();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(std::get<ToolText>(answer->content[0]).text, "one two");
  EXPECT_THAT(std::get<ToolText>(answer->content[1]).text, HasSubstr("outside.txt' was not kept"));
  ASSERT_EQ(answer->artifacts.size(), 1u);
  EXPECT_EQ(*ReadBeneath(folder_.path() / "artifacts", "counted.txt", 100), "one two");
}

TEST_F(ProviderHubTest, OffersThatClashAreRefused) {
  Start();
  ASSERT_TRUE(registry_.Add(std::make_shared<DiceTool>()).ok());
  const auto stream = Attached(Hello("a"));
  v1::AttachRequest taken = Hello("b");
  taken.mutable_hello()->mutable_tools(0)->set_name("dice");
  EXPECT_TRUE(HasReason(Attach(taken)->End(), Reason::kAlreadyExists));
  v1::AttachRequest other = Hello("b");
  other.mutable_hello()->mutable_tools(0)->set_description("Says something else.");
  EXPECT_THAT(std::string(MessageOf(Attach(other)->End())), HasSubstr("change the version"));
  EXPECT_TRUE(HasReason(Attach(Hello("a"))->End(), Reason::kAlreadyExists));
  other.mutable_hello()->mutable_tools(0)->set_version("2");
  Attached(other);
  EXPECT_EQ((*registry_.Find("echo"))->spec().version, "2");
  EXPECT_EQ((*registry_.Find("echo@1"))->spec().description, "Says what it is told.");
  Attached(Hello("c"));
  EXPECT_TRUE(HasReason(Attach(Hello("d"))->End(), Reason::kQueueFull));
}

TEST_F(ProviderHubTest, AServerThatStartsAgainKnowsTheToolsAndAsksForWhatProvidersHold) {
  Start();
  auto stream = Attached(Hello("a"));
  auto before = Call(1);
  const v1::ProviderCall asked = stream->NextCall();
  cancel_.Cancel(CancelReason::kShutdown, "the server stops");
  EXPECT_TRUE(absl::IsCancelled(before.get().status()));
  hub_->Close();
  hub_->Join();
  ASSERT_TRUE(registry_.Remove("echo"));
  cancel_ = CancelSource();
  Start();
  ASSERT_TRUE(registry_.Find("echo").ok());
  EXPECT_TRUE(registry_.List().empty());
  ToolCall again;
  again.arguments = {{"number", 1}};
  again.context.task_id = "t";
  again.context.path = "1";
  again.context.rejoin = true;
  auto rejoined = asio::co_spawn(asio::make_strand(threads_),
                                 registry_.Call("echo", std::move(again)), asio::use_future);
  v1::AttachRequest hello = Hello("a");
  hello.mutable_hello()->set_session_token(token_);
  hello.mutable_hello()->add_held_calls(asked.call_id());
  stream = Attach(hello);
  EXPECT_FALSE(stream->Welcome().resumed());
  const v1::ProviderCall same = stream->NextCall();
  EXPECT_EQ(same.call_id(), asked.call_id());
  hub_->Receive(stream, ResultOf(same, "1"));
  EXPECT_EQ(rejoined.get()->value, 1);
}

TEST_F(ProviderHubTest, TheOperationsOfAnInstanceGoToOneProvider) {
  Start(absl::Milliseconds(300));
  v1::AttachRequest hello;
  v1::EnvironmentOffer* offer = hello.mutable_hello()->add_environments();
  offer->set_name("walk");
  offer->set_action_schema(R"({"type": "integer"})");
  offer->set_snapshots(true);
  offer->set_max_instances(1);
  hello.mutable_hello()->set_provider_id("a");
  const auto a = Attached(hello);
  hello.mutable_hello()->set_provider_id("b");
  const auto b = Attached(hello);
  const auto walk = RunToEnd(hub_->FindEnvironment("walk"));
  ASSERT_TRUE(walk.ok()) << walk.status();
  EXPECT_TRUE(HasReason(RunToEnd(hub_->FindEnvironment("swim")).status(), Reason::kNotFound));
  EnvironmentContext context;
  const auto reset = [&](const std::string& instance) {
    return asio::co_spawn(asio::make_strand(threads_), (*walk)->Reset(instance, {}, context),
                          asio::use_future);
  };
  auto one = reset("one");
  hub_->Receive(a, ResultOf(a->NextCall(), R"({"observation": 0})"));
  EXPECT_EQ(one.get()->observation, 0);
  auto two = reset("two");
  hub_->Receive(b, ResultOf(b->NextCall(), R"({"observation": 7})"));
  EXPECT_EQ(two.get()->observation, 7);
  auto step = asio::co_spawn(asio::make_strand(threads_), (*walk)->Step("one", 3, context),
                             asio::use_future);
  const v1::ProviderCall asked = a->NextCall();
  EXPECT_EQ(asked.environment().operation(), v1::EnvironmentWork::OPERATION_STEP);
  EXPECT_EQ(asked.environment().input_json(), "3");
  hub_->Receive(a, ResultOf(asked, R"({"observation": 3, "reward": 0.5, "done": true})"));
  const auto state = step.get();
  EXPECT_EQ(state->reward, 0.5);
  EXPECT_TRUE(state->done);
  EXPECT_TRUE(HasReason(RunToEnd((*walk)->Step("one", "far", context)).status(),
                        Reason::kToolArgumentsInvalid));
  auto kept = asio::co_spawn(asio::make_strand(threads_), (*walk)->Snapshot("one", context),
                             asio::use_future);
  hub_->Receive(a, ResultOf(a->NextCall(), R"({"snapshot": "s1"})"));
  EXPECT_EQ(*kept.get(), "s1");
  // There is room for a third instance when one is closed.
  auto three = reset("three");
  auto closed =
      asio::co_spawn(asio::make_strand(threads_), (*walk)->Close("two", context), asio::use_future);
  hub_->Receive(b, ResultOf(b->NextCall(), "{}"));
  EXPECT_TRUE(closed.get().ok());
  hub_->Receive(b, ResultOf(b->NextCall(), R"({"observation": 1})"));
  EXPECT_EQ(three.get()->observation, 1);
  hub_->StreamEnded(a);
  EXPECT_TRUE(
      HasReason(RunToEnd((*walk)->Observe("one", context)).status(), Reason::kToolInterrupted));
}

}  // namespace
}  // namespace troupe
