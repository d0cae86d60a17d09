// Workflows over a store and a model that are told what to do: what they record, and what a second
// life makes of it.
#include "agents/workflow/run_workflow.h"

#include <google/protobuf/util/json_util.h>

#include "agents/workflow/operations.h"
#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

class RunWorkflowTest : public RunTest {
 protected:
  RunWorkflowTest() {
    services_.find_kind = [](const std::string&) -> const TaskKind* { return nullptr; };
    model_.reply = [](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
      ChatReply reply;
      reply.message = AssistantMessage("<" + request.messages.back().text() + ">");
      return reply;
    };
  }

  absl::StatusOr<WorkflowOutcome> Run(const std::string& document, Json inputs,
                                      Json values = Json::object()) {
    v1::Workflow workflow;
    const auto parsed = google::protobuf::util::JsonStringToMessage(document, &workflow);
    EXPECT_TRUE(parsed.ok()) << parsed;
    const WorkflowInputs given{std::move(inputs), std::move(values)};
    return Live<WorkflowOutcome>(
        [&](Scope& root) { return RunWorkflow(root, workflow, given, services_); });
  }

  // "name = kind(inputs)" for each operation.
  static std::vector<std::string> Lines(const WorkflowTape& tape) {
    v1::WorkflowResult result;
    FillOperations(tape, result);
    std::vector<std::string> lines;
    for (const auto& operation : result.operations()) {
      std::string line = operation.name() + " = " + operation.kind() + "(";
      for (int i = 0; i < operation.inputs_size(); ++i) {
        line += (i > 0 ? ", " : "") + operation.inputs(i);
      }
      lines.push_back(line + ")");
    }
    return lines;
  }

  WorkflowServices services_;
};

constexpr char kAsk[] = R"({
  "inputs": {"question": {}},
  "parameters": {"how": {"prompt": "Say {{question}}", "trainable": true}},
  "steps": [
    {"name": "draft", "model": {"messages": [{"prompt": "how"}]}},
    {"name": "better", "if": {"condition": {"value": "$draft", "contains": "<"},
      "then": [{"name": "again", "model": {"messages": [{"text": "Improve {{draft}}"}]}}]}}]})";

TEST_F(RunWorkflowTest, RecordsWhatEveryValueWasMadeFrom) {
  const auto outcome = Run(kAsk, {{"question", "hello"}});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->answer, "<Improve <Say hello>>");
  EXPECT_EQ(Lines(outcome->tape),
            (std::vector<std::string>{"draft_message = fill(how, question)",
                                      "draft = model(draft_message)", "better = condition(draft)",
                                      "again_message = fill(draft)", "again = model(again_message)",
                                      "better_2 = if(better, again)"}));
  EXPECT_EQ(outcome->answer_id, static_cast<ValueId>(outcome->tape.entries().size()));
  // A second life is answered by the record.
  const int calls = model_.calls;
  const auto again = Run(kAsk, {{"question", "hello"}});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->answer, outcome->answer);
  EXPECT_EQ(model_.calls, calls);
}

TEST_F(RunWorkflowTest, AnotherValueOfAParameterTakesItsPlace) {
  const auto outcome = Run(kAsk, {{"question", "hello"}}, {{"how", "Sing {{question}}"}});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->answer, "<Improve <Sing hello>>");
}

TEST_F(RunWorkflowTest, BranchesOfAMapAreRecordedInOrder) {
  const auto outcome = Run(R"({"steps": [
    {"name": "all", "map": {"each": ["a", "b", "c"], "as": "letter", "max_parallel": 2, "steps": [
      {"name": "echo", "model": {"messages": [{"text": "{{letter}}"}]}}]}}]})",
                           Json::object());
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->answer, (Json{"<a>", "<b>", "<c>"}));
  EXPECT_EQ(Lines(outcome->tape).back(), "all = map(echo, echo_2, echo_3)");
}

TEST_F(RunWorkflowTest, AFailureIsAValueWithWhatItWasMadeFrom) {
  model_.reply = [](const ChatRequest&) -> absl::StatusOr<ChatReply> {
    return Error(Reason::kModelRejected, "no such thing");
  };
  auto outcome = Run(kAsk, {{"question", "hello"}});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(MessageOf(outcome->failure), "step draft: no such thing");
  const TapeEntry& error = outcome->tape.entries().back();
  EXPECT_EQ(error.kind, TapeEntry::Kind::kError);
  EXPECT_EQ(outcome->answer_id, static_cast<ValueId>(outcome->tape.entries().size()));
  EXPECT_EQ((*error.value)["error"]["type"], "MODEL_REJECTED");
  EXPECT_EQ(Lines(outcome->tape).back(), "draft = model(draft_message)");
}

TEST_F(RunWorkflowTest, AStepThatKeepsItsErrorGoesOnEvenWhereItIsOfOneWithin) {
  const auto outcome = Run(R"({"steps": [
    {"name": "kept", "keep_error": true, "for": {"each": [{"a": 1}, {}], "as": "one", "steps": [
      {"name": "part", "set": "$one.a"}]}},
    {"name": "told", "set": "$kept.error.step"}]})",
                           Json::object());
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->answer, "part");
  EXPECT_EQ(outcome->tape.failed, 0);
}

TEST_F(RunWorkflowTest, ALimitOfTheTaskIsNoErrorOfAStep) {
  options_.limits.task.model_calls = 1;
  const auto outcome = Run(kAsk, {{"question", "hello"}});
  EXPECT_TRUE(HasReason(outcome.status(), Reason::kBudgetExceeded)) << outcome.status();
}

}  // namespace
}  // namespace troupe
