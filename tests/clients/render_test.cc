// What people are shown of tasks.
#include "clients/cpp/render.h"

#include <gmock/gmock.h>

namespace troupe::client {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::Task TaskOfSpo(int64_t cost) {
  v1::Task task;
  task.set_name("tasks/t");
  task.mutable_usage()->set_model_calls(1);
  v1::SpoResult& spo = *task.mutable_result()->mutable_spo();
  spo.set_best(1);
  spo.add_prompts()->set_text("Answer.");
  v1::SpoRoleCost& role = *spo.add_costs();
  role.set_role("executor");
  role.set_model_calls(1);
  role.set_cost_microusd(cost);
  return task;
}

TEST(TaskTextTest, CountsOneAsOne) {
  const std::string text = TaskText(TaskOfSpo(100));
  EXPECT_THAT(text, HasSubstr("1 model call, 0 tool calls"));
  EXPECT_THAT(text, HasSubstr("1 prompt, 0 accepted, 0 refused untried; 0 comparisons."));
  EXPECT_THAT(text, HasSubstr("1 call, "));
  EXPECT_THAT(text, HasSubstr("$0.0001"));
}

TEST(TaskTextTest, WithoutPricesNoMoneyIsToldOf) {
  EXPECT_THAT(TaskText(TaskOfSpo(0)), Not(HasSubstr("$")));
}

TEST(TaskTextTest, ShowsTheCallThatWasInterrupted) {
  v1::Task task;
  v1::PendingQuestion& question = *task.add_pending_questions();
  question.set_kind(v1::PendingQuestion::KIND_INTERRUPTED_CALL);
  question.set_prompt("A call of pay had begun.");
  question.set_detail_json(R"({"arguments":{"amount":5},"tool":"pay"})");
  EXPECT_THAT(TaskText(task), HasSubstr(R"(The call: {"arguments":{"amount":5},"tool":"pay"})"));
}

TEST(TaskTextTest, ShowsWhatOfAnAnswerWasJudged) {
  v1::Task task;
  v1::RunResult& run = *task.mutable_result()->mutable_evaluate()->add_runs();
  run.set_expected("12");
  run.set_answer("A long way to come to it, at the end of which stands 13.");
  v1::Grade& grade = *run.add_grades();
  grade.set_reason("13 against 12 expected");
  grade.set_judged("13");
  EXPECT_THAT(TaskText(task), HasSubstr("expected 12, got 13 (13 against 12 expected)"));
  grade.clear_judged();
  EXPECT_THAT(TaskText(task), HasSubstr("got A long way"));
}

}  // namespace
}  // namespace troupe::client
