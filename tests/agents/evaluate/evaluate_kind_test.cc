// The evaluate kind over a store, models and tools that are told what to do.
#include "agents/evaluate/evaluate_kind.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <set>

#include "agents/prompts/prompt_library.h"
#include "agents/prompts/render.h"
#include "tests/agents/evaluate/fake_datasets.h"
#include "tests/agents/runtime/run_fixture.h"
#include "tools/base/hash.h"
#include "tools/builtin/artifact_tool.h"
#include "tools/builtin/file_tools.h"
#include "tools/builtin/worker_pool.h"

namespace troupe {
namespace {

ChatReply ReplyOf(const std::string& text) {
  ChatReply reply;
  reply.message = AssistantMessage(text);
  reply.usage = {10, 0, 5, 0, false};
  reply.cost_microusd = 50;
  reply.model = "counting";
  return reply;
}

// A kind that answers by one call of the model, with its own prompt.
class OneCallKind : public TaskKind {
 public:
  std::string_view name() const override { return "chat"; }
  std::string TitleOf(const v1::TaskSpec&) const override { return "one call"; }
  absl::Status Validate(const v1::TaskSpec&) const override { return absl::OkStatus(); }
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override {
    EXPECT_FALSE(scope.Left("assistant").model_calls.has_value());
    CO_ASSIGN_OR_RETURN(ChatRequest request,
                        PromptRequest(scope, "test.ask", {{"what", spec.chat().turns(0)}}));
    CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await scope.Chat("ask", "assistant", request));
    v1::TaskResult result;
    result.set_text(reply.message.text());
    co_return result;
  }
};

class EvaluateKindTest : public RunTest {
 protected:
  EvaluateKindTest() {
    const auto prompts = folder_.path() / "prompts";
    std::filesystem::create_directories(prompts);
    std::ofstream(prompts / "ask.md")
        << "+++\nname = \"test.ask\"\n[[variables]]\nname = \"what\"\n"
           "required = true\n+++\nPlainly: {{what}}\n";
    EXPECT_TRUE(library_.LoadFolder(prompts).ok());
    EXPECT_TRUE(
        library_.LoadFolder(std::string(TROUPE_SOURCE_DIR) + "/agents/evaluate/prompts").ok());
    prompts_ = &library_;
    EXPECT_TRUE(tools_.Add(std::make_shared<WriteArtifactTool>()).ok());
    options_.workspace.root = folder_.path() / "work";
    std::filesystem::create_directories(options_.workspace.root);
    services_.datasets = &datasets_;
    services_.prompts = &library_;
    services_.workflows.find_kind = [this](const std::string& name) {
      return name == "chat" ? &one_call_ : nullptr;
    };
    services_.read_result = [this](const std::string&) -> absl::StatusOr<v1::TaskResult> {
      return baseline_;
    };
    // The answer to "What is N?" is N; "Careful" prompts get all right, others the even ones.
    model_.reply = [this](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
      const std::string text = request.messages.back().text();
      asked_.insert(text);
      const int number = std::atoi(text.substr(text.rfind("is ") + 3).c_str());
      const bool careful = text.find("Careful") != std::string::npos;
      return ReplyOf(careful || number % 2 == 0 ? std::to_string(number) : "unknown");
    };
  }

  void PutNumbers(int count) {
    std::vector<Json> items;
    for (int i = 1; i <= count; ++i) {
      items.push_back({{"question", fmt::format("What is {}?", i)},
                       {"what", fmt::format("is {}", i)},
                       {"answer", std::to_string(i)}});
    }
    datasets_.Put("numbers", std::move(items));
  }

  static v1::TaskSpec Spec(const std::string& more) {
    v1::TaskSpec spec;
    const auto parsed = google::protobuf::util::JsonStringToMessage(
        R"({"evaluate": {"items": {"dataset": "datasets/numbers"}, )" + more + "}}", &spec);
    EXPECT_TRUE(parsed.ok()) << parsed << more;
    return spec;
  }

  absl::StatusOr<v1::TaskResult> Run(const v1::TaskSpec& spec) {
    const EvaluateKind kind(services_);
    const absl::Status valid = kind.Validate(spec);
    if (!valid.ok()) return valid;
    return Life(spec);
  }
  absl::StatusOr<v1::TaskResult> Life(const v1::TaskSpec& spec) {
    const EvaluateKind kind(services_);
    return Live<v1::TaskResult>([&](Scope& root) { return kind.Run(root, spec); });
  }

  FakeDatasets datasets_;
  PromptLibrary library_;
  OneCallKind one_call_;
  EvaluateServices services_;
  v1::TaskResult baseline_;
  std::multiset<std::string> asked_;
};

TEST_F(EvaluateKindTest, CountsWhatPasses) {
  PutNumbers(40);
  const auto result = Run(Spec(R"("prompt": {})"));
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::EvaluateResult& detail = result->evaluate();
  ASSERT_EQ(detail.variants_size(), 1);
  const v1::VariantResult& variant = detail.variants(0);
  EXPECT_EQ(variant.name(), "question");
  EXPECT_EQ(variant.items(), 40);
  EXPECT_EQ(variant.passed(), 20);
  EXPECT_DOUBLE_EQ(variant.pass_rate().value(), 0.5);
  EXPECT_NEAR(variant.pass_rate().low(), 0.352, 0.001);  // Wilson's, of 20 in 40
  EXPECT_EQ(variant.cost().model_calls(), 40);
  EXPECT_EQ(variant.cost().cost_microusd(), 40 * 50);
  EXPECT_EQ(detail.runs_size(), 40);
  EXPECT_FALSE(detail.runs(0).passed());
  EXPECT_EQ(detail.runs(0).expected(), "1");
  EXPECT_EQ(result->stop_reason(), v1::TaskResult::STOP_REASON_COMPLETED);
  EXPECT_NE(result->text().find("50.0 %"), std::string::npos) << result->text();
  ASSERT_EQ(result->artifacts_size(), 1);
  std::ifstream file(options_.workspace.artifacts() / "results.jsonl");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) EXPECT_TRUE(Json::accept(line)) << line;
  EXPECT_EQ(lines, 40);
}

TEST_F(EvaluateKindTest, FindsTheBetterOfTwoPromptsAndRecordsTheWin) {
  PutNumbers(24);
  const auto result = Run(Spec(R"("agent": {"prompt_name": "test.ask", "task":
      {"chat": {"turns": ["{{question}}"]}}}, "variants": [{"name": "plain", "registered":
      "prompts/test.ask"}, {"name": "careful", "text": "Careful: {{what}}"}])"));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->evaluate().comparisons_size(), 1);
  const v1::VariantComparison& comparison = result->evaluate().comparisons(0);
  EXPECT_EQ(comparison.pairs(), 24);
  EXPECT_EQ(comparison.wins(), 0);
  EXPECT_EQ(comparison.losses(), 12);
  EXPECT_EQ(comparison.ties(), 12);
  EXPECT_EQ(comparison.only_right_passed(), 12);
  EXPECT_NEAR(comparison.mcnemar_p(), 2.0 / 4096, 1e-9);
  EXPECT_EQ(comparison.better(), "careful");
  EXPECT_LT(comparison.difference().high(), 0);
  ASSERT_EQ(result->wins_size(), 1);
  EXPECT_EQ(result->wins(0).prompt(), "prompts/test.ask");
  EXPECT_EQ(result->wins(0).winner_sha256(), Sha256Hex("Careful: {{what}}"));
  EXPECT_EQ(result->wins(0).loser_sha256(), Sha256Hex("Plainly: {{what}}\n"));
  EXPECT_EQ(result->wins(0).wins(), 12);
  EXPECT_GT(result->wins(0).difference_low(), 0);
  EXPECT_EQ(asked_.count("Careful: What is 3?"), 1u);
  EXPECT_EQ(asked_.count("Plainly: What is 3?"), 1u);
}

TEST_F(EvaluateKindTest, NoWinWithoutSignificance) {
  PutNumbers(6);
  const auto result =
      Run(Spec(R"("prompt": {}, "variants": [{"text": "Careful."}, {"text": ""}])"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluate().comparisons(0).wins(), 3);
  EXPECT_EQ(result->evaluate().comparisons(0).better(), "");
  EXPECT_EQ(result->wins_size(), 0);
}

TEST_F(EvaluateKindTest, ComparesWithAnEarlierEvaluation) {
  PutNumbers(20);
  const auto first = Run(Spec(R"("prompt": {})"));
  ASSERT_TRUE(first.ok()) << first.status();
  baseline_ = *first;
  const auto spec = Spec(R"("prompt": {}, "baseline": "tasks/a",
                         "variants": [{"text": "Careful."}])");
  ForgetRecord();
  const auto second = Run(spec);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->evaluate().comparisons_size(), 1);
  EXPECT_EQ(second->evaluate().comparisons(0).right(), "tasks/a");
  EXPECT_EQ(second->evaluate().comparisons(0).wins(), 10);
  // Another version of the data set is no baseline.
  PutNumbers(21);
  ForgetRecord();
  EXPECT_EQ(MetadataOf(Run(spec).status())["field"], "spec.evaluate.baseline");
}

TEST_F(EvaluateKindTest, ComparesWithEachVariantOfAnEarlierEvaluation) {
  PutNumbers(20);
  const auto first = Run(Spec(R"("prompt": {}, "variants": [{"name": "a", "text": "Careful."},
                                              {"name": "b", "text": "Answer."}])"));
  ASSERT_TRUE(first.ok()) << first.status();
  baseline_ = *first;
  ForgetRecord();
  const auto second = Run(Spec(R"("prompt": {}, "baseline": "tasks/x",
                                  "variants": [{"name": "c", "text": "Careful, too."}])"));
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->evaluate().comparisons_size(), 2);
  EXPECT_EQ(second->evaluate().comparisons(0).right(), "tasks/x:a");
  EXPECT_EQ(second->evaluate().comparisons(0).ties(), 20);
  EXPECT_EQ(second->evaluate().comparisons(1).right(), "tasks/x:b");
  EXPECT_EQ(second->evaluate().comparisons(1).wins(), 10);
  EXPECT_EQ(second->evaluate().comparisons(1).better(), "c");
}

TEST_F(EvaluateKindTest, MeansOfOnesAreOne) {
  PutNumbers(49);  // 49 times a 49th is more than 1
  const auto result =
      Run(Spec(R"("prompt": {}, "repeats": 3, "variants": [{"text": "Careful."}])"));
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::VariantResult& variant = result->evaluate().variants(0);
  EXPECT_EQ(variant.graders(0).score(), 1.0);
  EXPECT_EQ(variant.graders(0).pass_rate(), 1.0);
  EXPECT_EQ(variant.score().value(), 1.0);
}

TEST_F(EvaluateKindTest, GoesOnAfterACrashWithoutTheDataSet) {
  PutNumbers(30);
  const auto spec = Spec(R"("prompt": {}, "concurrency": 4)");
  CancelSource crash;
  options_.cancel = options_.hard_cancel = crash.token();
  const auto answer = model_.reply;
  model_.reply = [&](const ChatRequest& request) {
    if (asked_.size() == 9) crash.Cancel(CancelReason::kShutdown, "the server closes");
    return answer(request);
  };
  EXPECT_FALSE(Run(spec).ok());
  EXPECT_EQ(asked_.size(), 10u);
  options_.cancel = options_.hard_cancel = CancelToken();
  model_.reply = answer;
  const int read = datasets_.read;
  const auto result = Life(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluate().variants(0).passed(), 15);
  EXPECT_EQ(asked_.size(), 30u);  // none was asked twice
  for (const std::string& text : asked_) EXPECT_EQ(asked_.count(text), 1u) << text;
  EXPECT_EQ(datasets_.read, read);  // what was read is recorded
  datasets_.Clear();
  const auto again = Life(spec);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), result->SerializeAsString());
  EXPECT_EQ(asked_.size(), 30u);
}

TEST_F(EvaluateKindTest, ABudgetStopsItWithWhatItHas) {
  PutNumbers(30);
  options_.limits.task.model_calls = 12;
  const auto result = Run(Spec(R"("prompt": {}, "concurrency": 3)"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->stop_reason(), v1::TaskResult::STOP_REASON_BUDGET);
  EXPECT_EQ(result->evaluate().variants(0).items(), 12);
  EXPECT_EQ(result->evaluate().variants(0).passed(), 6);
  EXPECT_EQ(result->evaluate().items(), 30);
  EXPECT_EQ(result->artifacts_size(), 1);
}

// An agent that makes three calls for an answer, each of which may cost much more than it does.
class ThreeCallKind : public OneCallKind {
 public:
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec) const override {
    for (const char* const name : {"a", "b", "c"}) {
      ChatRequest request;
      request.messages.push_back(UserMessage("What is 2?"));
      CO_RETURN_IF_ERROR((co_await scope.Chat(name, "assistant", request)).status());
    }
    v1::TaskResult result;
    result.set_text("2");
    co_return result;
  }
};

TEST_F(EvaluateKindTest, NoRunOfAnAgentIsCutOffByTheBudget) {
  PutNumbers(30);
  const ThreeCallKind kind;
  services_.workflows.find_kind = [&kind](const std::string&) { return &kind; };
  model_.yields = 20;
  options_.limits.task.model_calls = 40;
  const auto spec = Spec(R"("agent": {"task": {"chat": {"turns": ["x"]}}}, "concurrency": 8)");
  for (int life = 1; life <= 2; ++life) {  // a replay begins the same runs
    const auto result = Run(spec);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->stop_reason(), v1::TaskResult::STOP_REASON_BUDGET);
    EXPECT_EQ(result->evaluate().variants(0).items(), 13);
    EXPECT_EQ(result->evaluate().runs_done(), 13);
    EXPECT_EQ(model_.calls, 39);  // and not 40: a fourteenth run would not have come to its end
  }
}

TEST_F(EvaluateKindTest, WhatIsRefusedBesideOthersIsRunBesideFewer) {
  PutNumbers(30);
  model_.yields = 20;
  // Of what a call may cost, two fit beside what is spent; each costs a twentieth of it.
  model_.estimate = {10, 10, 1000};
  options_.limits.task.cost_microusd = 30 * 50 + 1000;
  const auto result = Run(Spec(R"("prompt": {}, "concurrency": 16)"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->stop_reason(), v1::TaskResult::STOP_REASON_COMPLETED);
  EXPECT_EQ(result->evaluate().variants(0).items(), 30);
  EXPECT_LE(run_->ledger().spent().cost_microusd, 30 * 50 + 1000);
}

// An agent that leaves a note and finds those of others.
class NoteKind : public OneCallKind {
 public:
  Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const override {
    const Json listing = Json::object();
    CO_ASSIGN_OR_RETURN(const ToolResult found,
                        co_await scope.CallTool("look", "list_files", listing));
    const Json note = {{"path", "files/note.txt"}, {"text", spec.chat().turns(0)}};
    CO_RETURN_IF_ERROR((co_await scope.CallTool("write", "write_file", note)).status());
    ChatRequest question;
    question.messages.push_back(UserMessage("What is 2?"));
    CO_RETURN_IF_ERROR((co_await scope.Chat("wait", "assistant", question)).status());
    const Json path = {{"path", "files/note.txt"}};
    CO_ASSIGN_OR_RETURN(const ToolResult read, co_await scope.CallTool("read", "read_file", path));
    v1::TaskResult result;
    result.set_text(fmt::format("{} files, and the note says {}", found.value["files"].size(),
                                JsonString(read.value, "text")));
    co_return result;
  }
};

TEST_F(EvaluateKindTest, RunsSideBySideShareNoFiles) {
  PutNumbers(12);
  const NoteKind kind;
  const auto pool = std::make_shared<WorkerPool>(2);
  ASSERT_TRUE(tools_.Add(std::make_shared<ListFilesTool>(pool)).ok());
  ASSERT_TRUE(tools_.Add(std::make_shared<ReadFileTool>(pool)).ok());
  ASSERT_TRUE(tools_.Add(std::make_shared<WriteFileTool>(pool)).ok());
  std::filesystem::create_directories(options_.workspace.inputs());
  std::ofstream(options_.workspace.inputs() / "data.csv") << "1";
  services_.workflows.find_kind = [&kind](const std::string&) { return &kind; };
  model_.yields = 50;
  const auto result = Run(Spec(
      R"("agent": {"task": {"chat": {"turns": ["{{what}}"]}}}, "concurrency": 6,
         "graders": [{"regex": {"pattern": "^1 files, and the note says is [0-9]+$"}}])"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluate().variants(0).passed(), 12);  // the input, and the own note
  std::set<std::string> answers;
  for (const v1::RunResult& run : result->evaluate().runs()) answers.insert(run.answer());
  EXPECT_EQ(answers.size(), 12u);
  EXPECT_FALSE(std::filesystem::exists(options_.workspace.root / "files"));
}

TEST_F(EvaluateKindTest, ARunThatFailsIsCountedAndOthersGoOn) {
  PutNumbers(10);
  const auto answer = model_.reply;
  model_.reply = [&](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
    const std::string text = request.messages.back().text();
    if (text == "What is 4?") return Error(Reason::kModelRejected, "the model refuses");
    return answer(request);
  };
  const auto result = Run(Spec(R"("prompt": {})"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluate().variants(0).failed_runs(), 1);
  EXPECT_EQ(result->evaluate().variants(0).passed(), 4);
  EXPECT_EQ(result->evaluate().variants(0).items(), 10);
  // If the first ones all fail there is nothing to be had, and it ends early.
  ForgetRecord();
  const int before = model_.calls;
  model_.reply = [](const ChatRequest&) -> absl::StatusOr<ChatReply> {
    return Error(Reason::kModelRejected, "no such model");
  };
  const auto none = Run(Spec(R"("prompt": {}, "concurrency": 2)"));
  EXPECT_EQ(ReasonOf(none.status()), Reason::kModelRejected) << none.status();
  EXPECT_LE(model_.calls - before, 5);
}

TEST_F(EvaluateKindTest, RepeatsAreOneItem) {
  PutNumbers(4);
  std::map<std::string, int> times;
  model_.reply = [&](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
    const std::string text = request.messages.back().text();
    // Two of three times right for 1, one of three for 2, never for the others.
    const int time = ++times[text];
    if (text == "What is 1?") return ReplyOf(time > 1 ? "1" : "no");
    if (text == "What is 2?") return ReplyOf(time > 2 ? "2" : "no");
    return ReplyOf("no");
  };
  const auto result = Run(Spec(R"("prompt": {}, "repeats": 3)"));
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::VariantResult& variant = result->evaluate().variants(0);
  EXPECT_EQ(variant.items(), 4);
  EXPECT_EQ(variant.passed(), 1);
  EXPECT_NEAR(variant.score().value(), 0.25, 1e-9);
  EXPECT_NEAR(variant.item_scores(0), 2.0 / 3, 1e-6);
  EXPECT_EQ(result->evaluate().runs_done(), 12);
}

TEST_F(EvaluateKindTest, AModelGradesByARubric) {
  PutNumbers(3);
  const auto answer = model_.reply;
  int votes = 0;
  model_.reply = [&](const ChatRequest& request) -> absl::StatusOr<ChatReply> {
    if (!request.reply_schema.has_value()) return answer(request);
    EXPECT_NE(request.messages.back().text().find("Be right."), std::string::npos);
    ++votes;
    return ReplyOf(R"({"reason": "fair", "points": 7})");
  };
  const auto result =
      Run(Spec(R"("prompt": {}, "graders": [{"model": {"rubric": "Be right.", "repeats": 3}}])"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(votes, 9);
  const v1::VariantResult& variant = result->evaluate().variants(0);
  EXPECT_NEAR(variant.score().value(), 0.7, 1e-9);
  EXPECT_EQ(variant.passed(), 3);
  EXPECT_EQ(variant.cost().model_calls(), 3);
  EXPECT_EQ(variant.grading_cost().model_calls(), 9);
}

TEST_F(EvaluateKindTest, TakesAPartThatIsTheSameEverywhere) {
  PutNumbers(100);
  v1::TaskSpec spec = Spec(R"("prompt": {})");
  spec.mutable_evaluate()->mutable_items()->set_limit(10);
  spec.mutable_evaluate()->mutable_items()->set_split("even");
  ASSERT_TRUE(Run(spec).ok());
  const auto ten = asked_;
  EXPECT_EQ(ten.size(), 10u);
  asked_.clear();
  ForgetRecord();
  spec.mutable_evaluate()->mutable_items()->set_limit(20);
  ASSERT_TRUE(Run(spec).ok());
  EXPECT_EQ(asked_.size(), 20u);
  for (const std::string& text : ten) EXPECT_TRUE(asked_.contains(text)) << text;
}

TEST_F(EvaluateKindTest, AThousandItemsAtSixtyFour) {
  PutNumbers(1000);
  model_.yields = 300;
  const auto result = Run(Spec(R"("prompt": {}, "concurrency": 64)"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluate().variants(0).items(), 1000);
  EXPECT_EQ(result->evaluate().variants(0).passed(), 500);
  EXPECT_EQ(model_.most_at_once, 64);
  EXPECT_LE(datasets_.most_at_once, 32);  // items are in memory a page at a time
  EXPECT_EQ(result->evaluate().runs_size(), 200);
}

TEST_F(EvaluateKindTest, SaysWhatOfASpecIsWrong) {
  PutNumbers(3);
  for (const auto& [more, field] : std::vector<std::pair<std::string, std::string>>{
           {R"("concurrency": 1)", "target"},
           {R"("prompt": {}, "concurrency": 257)", "concurrency"},
           {R"("prompt": {}, "variants": [{"template": "{{nothing}}"}])", "variants[0].template"},
           {R"("prompt": {}, "variants": [{"registered": "prompts/no"}])",
            "variants[0].registered"},
           {R"("prompt": {}, "variants": [{"text": "a"}, {"text": "a"}])", "variants[1]"},
           {R"("agent": {"task": {"evaluate": {}}})", "agent.task"},
           {R"("agent": {"task": {"chat": {"turns": ["{{answers}}"]}}})", "agent.task"},
           {R"("agent": {"task": {"chat": {"turnes": []}}})", "agent.task"},
           {R"("agent": {"task": {"chat": {"turns": []}}}, "variants": [{"text": "x"}])",
            "variants[0]"}}) {
    const auto result = Run(Spec(more));
    EXPECT_EQ(MetadataOf(result.status())["field"], "spec.evaluate." + field)
        << more << result.status();
  }
}

}  // namespace
}  // namespace troupe
