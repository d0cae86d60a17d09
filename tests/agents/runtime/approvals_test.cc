// Approvals as effects: what is asked, what an answer does, and what of it holds in a later life.
#include <gtest/gtest.h>

#include <asio/post.hpp>

#include "agents/runtime/branches.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

class ApprovalsTest : public RunTest {
 protected:
  ApprovalsTest() { unsafe_->changeable_spec().needs_approval = true; }

  // Answers every question with what `answers` has for the "x" of its call, once; others wait until
  // the life is cancelled.
  std::function<void(TaskRun&)> Answering(std::map<int, Json> answers) {
    auto left = std::make_shared<std::map<int, Json>>(std::move(answers));
    return [this, left](TaskRun& run) {
      run.on_questions_changed = [this, left, &run] {
        asio::post(run.strand(), [this, left, &run] {
          for (const PendingQuestion& pending : run.Pending()) {
            const auto found = left->find(
                static_cast<int>(JsonInt(JsonMember(pending.question.detail, "arguments"), "x")));
            if (found == left->end()) continue;
            const Json answer = found->second;
            left->erase(found);
            ++asked_;
            EXPECT_TRUE(run.Answer(pending.path, answer, nullptr).ok());
          }
          if (left->empty() && stop_)
            stop_->Cancel(CancelReason::kShutdown, "the end of this life");
        });
      };
    };
  }

  // What the agent reads of a call of the tool that needs approval.
  static Async<std::string> CallOne(Scope scope, int x) {
    Json arguments = {{"x", x}};
    const auto result = co_await scope.CallTool("call", "unsafe", std::move(arguments), "agent");
    scope.End(result.status());
    CO_RETURN_IF_ERROR(result.status());
    if (result->content.empty()) co_return DumpJson(result->value);
    co_return std::get<ToolText>(result->content[0]).text;
  }

  // Calls side by side, one for each x; what was read of them.
  static std::function<Async<std::vector<std::string>>(Scope&)> CallsOf(std::vector<int> xs) {
    return [xs](Scope& root) -> Async<std::vector<std::string>> {
      std::vector<NamedBranch<std::string>> branches;
      for (const int x : xs) {
        const auto run = [x](Scope scope) { return CallOne(std::move(scope), x); };
        branches.push_back({"branch", fmt::format("branch:{}", x), "", run});
      }
      std::vector<std::string> texts;
      for (auto& result : co_await All(root, std::move(branches))) {
        CO_RETURN_IF_ERROR(result.status());
        texts.push_back(*std::move(result));
      }
      co_return texts;
    };
  }

  std::vector<std::string> Run(std::vector<int> xs, std::map<int, Json> answers) {
    const auto texts =
        Live<std::vector<std::string>>(CallsOf(std::move(xs)), Answering(std::move(answers)));
    if (!texts.ok()) return {std::string(MessageOf(texts.status()))};
    return *texts;
  }

  // A life that is cut off once all `answers` are given.
  void RunUntil(std::vector<int> xs, std::map<int, Json> answers) {
    stop_ = std::make_unique<CancelSource>();
    options_.cancel = stop_->token();
    Run(std::move(xs), std::move(answers));
    stop_.reset();
    options_.cancel = CancelToken();
  }

  int asked_ = 0;
  std::unique_ptr<CancelSource> stop_;
};

TEST_F(ApprovalsTest, ToolThatNeedsApprovalIsCalledAfterItAlone) {
  EXPECT_EQ(Run({1, 2}, {{1, "approve"}, {2, {{"decision", "deny"}, {"reason", "not two"}}}}),
            (std::vector<std::string>{
                "1",
                "The call of unsafe was not made: a person decided against it and says: not "
                "two"}));
  EXPECT_EQ(unsafe_->calls, 1);
  // A later life asks nothing and calls nothing.
  EXPECT_EQ(Run({1, 2}, {}).size(), 2u);
  EXPECT_EQ(unsafe_->calls, 1);
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(run_->ledger().spent().tool_calls, 1);
}

TEST_F(ApprovalsTest, AnswerHoldsThoughTheServerStoppedBeforeTheCall) {
  unsafe_->on_call = [this] {
    stop_->Cancel(CancelReason::kShutdown, "killed");
    return stop_->token().status();
  };
  RunUntil({1}, {{1, {{"decision", "edit"}, {"arguments", {{"x", 7}}}}}});
  EXPECT_EQ(asked_, 1);
  unsafe_->on_call = nullptr;
  unsafe_->changeable_spec().idempotent = true;  // nothing is asked about the interruption
  const auto texts = Run({1}, {});
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0], "[A person changed the arguments of this call to {\"x\":7}]\n");
  EXPECT_EQ(asked_, 1);
}

TEST_F(ApprovalsTest, LeaveForTheRestAnswersWhatWaitsBesideIt) {
  const Json small = {{"decision", "approve_all"},
                      {"matching", {{"properties", {{"x", {{"maximum", 3}}}}}}}};
  EXPECT_EQ(Run({1, 2, 5}, {{1, small}, {5, "deny"}}).size(), 3u);
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(unsafe_->calls, 2);
  // In another life too, in which it is not asked again.
  EXPECT_EQ(Run({1, 2, 5, 3}, {}).size(), 4u);
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(unsafe_->calls, 3);
}

TEST_F(ApprovalsTest, LeaveForTheRestReachesWhatALifeThatStoppedHadAsked) {
  RunUntil({1, 2}, {});  // both wait: nothing is answered, and the life ends
  RunUntil({1}, {{1, "approve_all"}});
  asked_ = 0;
  const auto texts = Run({1, 2}, {});
  EXPECT_EQ(texts.size(), 2u) << texts[0];
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(unsafe_->calls, 2);
}

TEST_F(ApprovalsTest, ToolThatBecameAnotherIsNotCalled) {
  RunUntil({1}, {});
  unsafe_->changeable_spec().version = "2";
  const auto texts = Run({1}, {{1, "approve"}});
  EXPECT_NE(texts[0].find("the tool was changed"), std::string::npos) << texts[0];
  EXPECT_EQ(unsafe_->calls, 0);
}

TEST_F(ApprovalsTest, AnotherCallThanTheOneAskedAboutIsADivergence) {
  RunUntil({1}, {});
  const auto other = Live<std::string>([](Scope& root) -> Async<std::string> {
    Scope branch = root.Open("branch", "branch:1", "");
    co_return co_await CallOne(std::move(branch), 9);
  });
  EXPECT_EQ(ReasonOf(other.status()), Reason::kDivergence);
  EXPECT_EQ(unsafe_->calls, 0);
}

TEST_F(ApprovalsTest, ArgumentsThatDoNotFitAreNotAskedAbout) {
  unsafe_->changeable_spec().arguments_schema = {{"type", "object"}, {"required", {"y"}}};
  ASSERT_TRUE(tools_.Replace(unsafe_).ok());
  const auto result = Live<std::vector<std::string>>(CallsOf({1}), Answering({}));
  EXPECT_EQ(ReasonOf(result.status()), Reason::kToolArgumentsInvalid);
}

}  // namespace
}  // namespace troupe
