// What a tool asks of its task in mid-call.
#include "tools/tool_host.h"

#include <gtest/gtest.h>

#include <asio/post.hpp>

#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

// Asks a person for a name and a model for praise.
class AskingTool : public Tool {
 public:
  AskingTool() {
    spec_.name = "asking";
    spec_.idempotent = true;
    spec_.arguments_schema = {{"type", "object"}};
    spec_.result_schema = Json::object();
  }
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override {
    ++calls;
    HostQuestion question;
    question.prompt = prompt;
    CO_ASSIGN_OR_RETURN(const Json name, co_await call.context.host->Ask(std::move(question)));
    HostSampleRequest sample;
    sample.system = "Be kind.";
    sample.messages.push_back({false, "Praise " + name.get<std::string>(), {}});
    CO_ASSIGN_OR_RETURN(const HostSample praise,
                        co_await call.context.host->Sample(std::move(sample)));
    call.context.progress("asked");
    if (on_asked) on_asked();
    CO_RETURN_IF_ERROR(call.context.cancel.status());
    ToolResult result;
    result.value = praise.text;
    co_return result;
  }

  int calls = 0;
  std::string prompt = "Who?";
  std::function<void()> on_asked;

 private:
  ToolSpec spec_;
};

class ToolHostTest : public RunTest {
 protected:
  ToolHostTest() {
    tool_ = std::make_shared<AskingTool>();
    EXPECT_TRUE(tools_.Add(tool_).ok());
  }

  absl::StatusOr<std::string> Life() {
    const auto algorithm = [](Scope& root) -> Async<std::string> {
      Json arguments = Json::object();
      CO_ASSIGN_OR_RETURN(const ToolResult result,
                          co_await root.CallTool("call", "asking", arguments));
      co_return result.value.get<std::string>();
    };
    return Live<std::string>(algorithm, [this](TaskRun& run) {
      run.on_questions_changed = [this, &run] {
        if (run.Pending().empty()) return;
        ++questions_;
        const std::string path = run.Pending()[0].path;
        EXPECT_TRUE(path.starts_with("call/asked:")) << path;
        asio::post(run.strand(),
                   [&run, path] { EXPECT_TRUE(run.Answer(path, "Ada", nullptr).ok()); });
      };
    });
  }

  // The next life is cut off when the tool has asked.
  void CutOffNextLife() {
    source_ = CancelSource();
    options_.cancel = options_.hard_cancel = source_.token();
    tool_->on_asked = [this] { source_.Cancel(CancelReason::kShutdown, "cut off"); };
  }
  void LetNextLifeBe() {
    options_.cancel = options_.hard_cancel = CancelToken();
    tool_->on_asked = nullptr;
  }

  std::shared_ptr<AskingTool> tool_;
  CancelSource source_;
  int questions_ = 0;
};

TEST_F(ToolHostTest, AnswersAreRecordedBelowTheCall) {
  const auto first = Life();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*first, "echo Praise Ada");
  const Usage spent = run_->ledger().spent();
  EXPECT_EQ(spent.model_calls, 1);
  const auto second = Life();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(tool_->calls, 1);
  EXPECT_EQ(model_.calls, 1);
  EXPECT_EQ(run_->ledger().spent().model_calls, spent.model_calls) << "as in the first life";
  EXPECT_EQ(run_->ledger().spent().tokens(), spent.tokens());
}

TEST_F(ToolHostTest, CallThatWasCutOffDoesNotAskAgain) {
  CutOffNextLife();
  EXPECT_EQ(ReasonOf(Life().status()), Reason::kCancelled);
  LetNextLifeBe();
  const auto second = Life();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, "echo Praise Ada");
  EXPECT_EQ(tool_->calls, 2);
  EXPECT_EQ(questions_, 1);
  EXPECT_EQ(model_.calls, 1) << "the reply was paid for and recorded";
}

TEST_F(ToolHostTest, RepeatedCallMayAskSomethingElse) {
  CutOffNextLife();
  EXPECT_FALSE(Life().ok());
  LetNextLifeBe();
  tool_->prompt = "Who else?";
  const auto second = Life();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(questions_, 2) << "the new question is asked";
}

TEST_F(ToolHostTest, SamplingIsLimitedByTheBudget) {
  options_.limits.roles["sampling"].tokens = 1;
  EXPECT_EQ(ReasonOf(Life().status()), Reason::kBudgetExceeded);
  EXPECT_EQ(model_.calls, 0);
}

}  // namespace
}  // namespace troupe
