#include "agents/models/limited_model.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <map>

#include "agents/models/fallback_model.h"
#include "tests/agents/models/held_model.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

class CallsTest : public testing::Test {
 protected:
  // Starts a call; its outcome comes to outcomes_[text].
  void Call(ChatModel& model, const std::string& text, CancelToken cancel = {}) {
    auto call = std::make_shared<ChatCall>();
    call->request.messages.push_back(UserMessage(text));
    call->context.cancel = std::move(cancel);
    asio::co_spawn(io_, model.Complete(std::move(call)),
                   [this, text](std::exception_ptr raised, absl::StatusOr<ChatReply> reply) {
                     if (raised != nullptr) std::rethrow_exception(raised);
                     outcomes_[text] = reply.ok()
                                           ? absl::StatusOr<std::string>(reply->message.text())
                                           : reply.status();
                   });
    Poll();
  }

  void Poll() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_;
  std::map<std::string, absl::StatusOr<std::string>> outcomes_;
};

class LimitedModelTest : public CallsTest {
 protected:
  void Limit(ModelLimits limits) {
    auto held = std::make_unique<HeldModel>();
    inner_ = held.get();
    model_ = std::make_unique<LimitedModel>(std::move(held), limits);
  }
  HeldModel* inner_ = nullptr;
  std::unique_ptr<LimitedModel> model_;
};

TEST_F(LimitedModelTest, CallsWaitTheirTurnInOrder) {
  ModelLimits limits;
  limits.concurrency = 2;
  Limit(limits);
  for (const char* text : {"a", "b", "c", "d"}) Call(*model_, text);
  EXPECT_EQ(inner_->asked, (std::vector<std::string>{"a", "b"}));
  inner_->Answer("one");
  Poll();
  EXPECT_EQ(inner_->asked, (std::vector<std::string>{"a", "b", "c"}));
  for (int i = 0; i < 3; ++i) {
    inner_->Answer("more");
    Poll();
  }
  EXPECT_EQ(inner_->asked.size(), 4u);
  EXPECT_EQ(outcomes_.size(), 4u);
  EXPECT_EQ(*outcomes_.at("a"), "one");
}

TEST_F(LimitedModelTest, TooManyThatWaitAreRefused) {
  ModelLimits limits;
  limits.concurrency = 1;
  limits.max_waiting = 1;
  Limit(limits);
  for (const char* text : {"a", "b", "c"}) Call(*model_, text);
  EXPECT_EQ(ReasonOf(outcomes_.at("c").status()), Reason::kQueueFull);
  inner_->Answer("x");
  Poll();
  inner_->Answer("y");
  Poll();
  EXPECT_TRUE(outcomes_.at("b").ok());
}

TEST_F(LimitedModelTest, OneThatWaitsCanBeCancelledAndLosesNoSlot) {
  ModelLimits limits;
  limits.concurrency = 1;
  Limit(limits);
  CancelSource source;
  Call(*model_, "a");
  Call(*model_, "b", source.token());
  Call(*model_, "c");
  source.Cancel(CancelReason::kUser, "no longer wanted");
  Poll();
  EXPECT_EQ(outcomes_.at("b").status().code(), absl::StatusCode::kCancelled);
  inner_->Answer("x");
  Poll();
  EXPECT_EQ(inner_->asked, (std::vector<std::string>{"a", "c"}));
  inner_->Answer("y");
  Poll();
  Call(*model_, "d");
  EXPECT_EQ(inner_->asked.back(), "d");
  inner_->Answer("z");
  Poll();
}

TEST_F(LimitedModelTest, FailedCallGivesItsSlotBack) {
  ModelLimits limits;
  limits.concurrency = 1;
  Limit(limits);
  Call(*model_, "a");
  inner_->Answer(Error(Reason::kModelUnavailable, "down"));
  Poll();
  Call(*model_, "b");
  EXPECT_EQ(inner_->asked.size(), 2u);
  inner_->Answer("x");
  Poll();
}

TEST_F(LimitedModelTest, RateIsKeptAfterABurst) {
  ModelLimits limits;
  limits.requests_per_minute = 20;  // a burst of two, then one in three seconds
  Limit(limits);
  CancelSource source;
  for (const char* text : {"a", "b", "c"}) Call(*model_, text, source.token());
  EXPECT_EQ(inner_->asked.size(), 2u);
  source.Cancel(CancelReason::kUser, "enough");
  Poll();
  EXPECT_EQ(outcomes_.at("c").status().code(), absl::StatusCode::kCancelled);
  inner_->Answer("x");
  inner_->Answer("y");
  io_.restart();
  io_.run();
}

TEST_F(LimitedModelTest, CallLargerThanTheTokenBucketGoesAndLeavesDebt) {
  ModelLimits limits;
  limits.tokens_per_minute = 1000;
  Limit(limits);
  inner_->estimate.input_tokens = 5000;
  CancelSource source;
  Call(*model_, "a");
  Call(*model_, "b", source.token());
  EXPECT_EQ(inner_->asked.size(), 1u);
  source.Cancel(CancelReason::kUser, "enough");
  inner_->Answer("x");
  io_.restart();
  io_.run();
  EXPECT_FALSE(outcomes_.at("b").ok());
}

using FallbackModelTest = CallsTest;

TEST_F(FallbackModelTest, TheNextAnswersWhenOneCannot) {
  HeldModel first("first");
  HeldModel second("second");
  FallbackModel chain("chain", {&first, &second});
  Call(chain, "a");
  EXPECT_EQ(first.asked.size(), 1u);
  EXPECT_TRUE(second.asked.empty());
  first.Answer(Error(Reason::kModelUnavailable, "down"));
  Poll();
  second.Answer("from the second");
  Poll();
  EXPECT_EQ(*outcomes_.at("a"), "from the second");
}

TEST_F(FallbackModelTest, TheLastFailureIsTheAnswer) {
  HeldModel first("first");
  HeldModel second("second");
  FallbackModel chain("chain", {&first, &second});
  Call(chain, "a");
  first.Answer(Error(Reason::kModelUnavailable, "down"));
  Poll();
  second.Answer(Error(Reason::kModelRejected, "bad key"));
  Poll();
  EXPECT_EQ(ReasonOf(outcomes_.at("a").status()), Reason::kModelRejected);
}

TEST_F(FallbackModelTest, CancelledCallDoesNotGoOnToTheNext) {
  HeldModel first("first");
  HeldModel second("second");
  FallbackModel chain("chain", {&first, &second});
  CancelSource source;
  Call(chain, "a", source.token());
  source.Cancel(CancelReason::kUser, "enough");
  first.Answer(source.token().status());
  Poll();
  EXPECT_TRUE(second.asked.empty());
  EXPECT_EQ(outcomes_.at("a").status().code(), absl::StatusCode::kCancelled);
}

TEST_F(FallbackModelTest, CanWhatAllCanAndCostsWhatTheDearestCosts) {
  HeldModel first("first");
  HeldModel second("second");
  first.can.images = true;
  second.can.logprobs = true;
  first.estimate = {10, 20, 300};
  second.estimate = {11, 5, 900};
  const FallbackModel chain("chain", {&first, &second});
  EXPECT_FALSE(chain.capabilities().images);
  EXPECT_FALSE(chain.capabilities().logprobs);
  const CostEstimate estimate = chain.Estimate(ChatRequest());
  EXPECT_EQ(estimate.input_tokens, 11);
  EXPECT_EQ(estimate.max_output_tokens, 20);
  EXPECT_EQ(estimate.max_cost_microusd, 900);
}

}  // namespace
}  // namespace troupe
