// Forks: what is kept, what is done anew, and that every moment is one to fork at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agents/prompts/overlay.h"
#include "agents/prompts/render.h"
#include "agents/runtime/branches.h"
#include "tests/server/manager_bench.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

ChatRequest Say(const std::string& text) {
  ChatRequest request;
  request.messages.push_back(UserMessage(text));
  return request;
}

Async<std::string> AskModel(const Scope& scope, std::string name, std::string text) {
  CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await scope.Chat(name, "r", Say(text)));
  co_return reply.message.text();
}

class ForkTest : public testing::Test {
 protected:
  // Two steps, each a model call and a tool call.
  static Async<std::string> TwoSteps(Scope& root, std::string style) {
    std::string text;
    for (int i = 1; i <= 2; ++i) {
      Scope step = root.Open("step", fmt::format("step:{}", i), "");
      CO_ASSIGN_OR_RETURN(const std::string reply,
                          co_await AskModel(step, "ask", fmt::format("{} {}", style, i)));
      Json arguments = {{"i", i}};
      CO_RETURN_IF_ERROR((co_await step.CallTool("do", "safe", arguments)).status());
      step.Note("length", reply.size());
      step.End();
      text += reply + ";";
    }
    co_return text;
  }

  // The paths of what a fork inherited.
  std::set<std::string> Inherited(const std::string& id, bool effects_alone = true) {
    std::set<std::string> paths;
    for (const SpanRecord& span : bench_.Spans(id)) {
      if (!span.attributes.contains(kInheritedFrom)) continue;
      if (!effects_alone || IsEffect(span.kind)) paths.insert(span.path);
    }
    return paths;
  }

  static absl::Status StatusOf(const TaskRow& row) {
    return row.error.empty() ? absl::OkStatus() : StatusFromText(row.error);
  }

  ManagerBench bench_;
};

TEST_F(ForkTest, AtAnInnerSpanKeepsWhatEndedBeforeIt) {
  bench_.script = [](Scope& root) { return TwoSteps(root, "do"); };
  const std::string id = bench_.Submit();
  const TaskRow source = bench_.End(id);
  ASSERT_EQ(source.state, v1::Task::STATE_SUCCEEDED) << source.error;
  const std::string fork = bench_.Fork(bench_.ForkAt(id, "step:2"));
  const TaskRow forked = bench_.End(fork);
  EXPECT_EQ(forked.state, v1::Task::STATE_SUCCEEDED) << forked.error;
  EXPECT_EQ(bench_.TextOf(forked), bench_.TextOf(source));
  EXPECT_EQ(bench_.model().calls, 3);
  EXPECT_EQ(bench_.safe().calls, 3);
  EXPECT_EQ(bench_.safe().recalls, 1);
  EXPECT_EQ(Inherited(fork), (std::set<std::string>{"step:1/ask", "step:1/do"}));
  // The step that had ended is there as it was, with its times and what was noted of it.
  const SpanRecord before = bench_.SpanAt(id, "step:1");
  const SpanRecord kept = bench_.SpanAt(fork, "step:1");
  EXPECT_EQ(kept.begin_time, before.begin_time);
  EXPECT_EQ(kept.end_time, before.end_time);
  EXPECT_EQ(kept.attributes["length"], before.attributes["length"]);
  EXPECT_EQ(kept.attributes[kInheritedFrom],
            fmt::format("tasks/{}/spans/{}", id, before.begin_sequence));
  // What was kept is charged.
  EXPECT_EQ(bench_.UsageOf(forked).model_calls(), 2);
  EXPECT_EQ(bench_.UsageOf(forked).input_tokens(), bench_.UsageOf(source).input_tokens());
  EXPECT_EQ(forked.forked_from, bench_.ForkAt(id, "step:2").name());
}

TEST_F(ForkTest, SequencesOfAForkAreDense) {
  bench_.script = [](Scope& root) { return TwoSteps(root, "do"); };
  const std::string id = bench_.Submit();
  bench_.End(id);
  const std::string fork = bench_.Fork(bench_.ForkAt(id, "step:2"));
  bench_.End(fork);
  const std::string key = fmt::format("(SELECT id FROM tasks WHERE name = '{}')", fork);
  const std::string all = fmt::format(
      "(SELECT begin_sequence AS s FROM spans WHERE task = {0} UNION ALL SELECT end_sequence FROM "
      "span_ends WHERE task = {0} UNION ALL SELECT sequence FROM events WHERE task = {0})",
      key);
  const int64_t count = bench_.Number("SELECT count(*) FROM " + all);
  EXPECT_EQ(bench_.Number("SELECT count(DISTINCT s) FROM " + all), count);
  EXPECT_EQ(bench_.Number("SELECT min(s) FROM " + all), 1);
  EXPECT_EQ(bench_.Number("SELECT max(s) FROM " + all), count);
}

// Steps, branches of both kinds, draws, fixed values, readings of the clock.
Async<std::string> Branch(Scope scope, int number) {
  std::string text;
  for (int i = 1; i <= number; ++i) {
    CO_ASSIGN_OR_RETURN(
        const std::string reply,
        co_await AskModel(scope, fmt::format("ask:{}", i),
                          fmt::format("{} {}", i, scope.Random(fmt::format("draw:{}", i)))));
    text += reply;
  }
  scope.Note("length", text.size());
  scope.End();
  co_return text;
}

std::vector<NamedBranch<std::string>> Branches() {
  std::vector<NamedBranch<std::string>> branches;
  for (int i = 1; i <= 3; ++i) {
    branches.push_back({"branch", fmt::format("branch:{}", i), "",
                        [i](Scope scope) { return Branch(std::move(scope), i); }});
  }
  return branches;
}

Async<std::string> Everything(Scope& root) {
  std::string text;
  CO_ASSIGN_OR_RETURN(const Json fixed, co_await root.Fix("fixed", Json("as it is")));
  CO_ASSIGN_OR_RETURN(const absl::Time now, co_await root.Now("now"));
  text += fixed.get<std::string>() + std::to_string(absl::ToUnixMicros(now) > 0);
  {
    Scope all = root.Open("all", "all", "");
    for (auto& result : co_await All(all, Branches())) {
      CO_RETURN_IF_ERROR(result.status());
      text += *result;
    }
    all.End();
  }
  Scope race = root.Open("race", "race", "");
  auto stream = co_await CompletionStream<std::string>::Start(&race, "order", Branches());
  while (!stream.done()) {
    CO_ASSIGN_OR_RETURN(const auto item, co_await stream.Next());
    CO_RETURN_IF_ERROR(item.result.status());
    text += fmt::format("[{}]{}", item.index, *item.result);
    Json arguments = {{"index", item.index}};
    CO_RETURN_IF_ERROR(
        (co_await race.CallTool(fmt::format("do:{}", item.index), "safe", arguments)).status());
  }
  race.End();
  co_return text;
}

// The property that makes a fork one: whatever the moment, what is kept is a whole history, from
// which the same task comes to the same end, doing nothing twice.
TEST_F(ForkTest, AtEverySpanComesToTheSameEnd) {
  bench_.script = Everything;
  const std::string id = bench_.Submit();
  const TaskRow source = bench_.End(id);
  ASSERT_EQ(source.state, v1::Task::STATE_SUCCEEDED) << source.error;
  const int all_calls = bench_.Calls();
  const auto is_call = [](const SpanRecord& span) {
    return span.kind == SpanKind::kModelCall || span.kind == SpanKind::kToolCall;
  };
  for (const SpanRecord& at : bench_.Spans(id)) {
    SCOPED_TRACE(at.path);
    int kept = 0;
    std::set<std::string> expected;
    for (const SpanRecord& span : bench_.Spans(id)) {
      if (!IsEffect(span.kind) || span.end_sequence >= at.begin_sequence) continue;
      expected.insert(span.path);
      if (is_call(span)) ++kept;
    }
    const int before = bench_.Calls();
    const std::string fork = bench_.Fork(bench_.ForkAt(id, at.path));
    const TaskRow forked = bench_.End(fork);
    EXPECT_EQ(forked.state, v1::Task::STATE_SUCCEEDED) << forked.error;
    EXPECT_EQ(Inherited(fork), expected);
    EXPECT_EQ(bench_.Calls() - before, all_calls - kept);
    EXPECT_EQ(bench_.UsageOf(forked).model_calls(), bench_.UsageOf(source).model_calls());
    EXPECT_EQ(
        bench_.Number(fmt::format("SELECT count(*) FROM span_ends WHERE state != 2 AND task = "
                                  "(SELECT id FROM tasks WHERE name = '{}')",
                                  fork)),
        0);
  }
}

TEST_F(ForkTest, WithAnotherSeedKeepsWhatWasDrawnBefore) {
  bench_.script = [](Scope& root) -> Async<std::string> {
    std::string text;
    for (int i = 1; i <= 2; ++i) {
      Scope step = root.Open("step", fmt::format("step:{}", i), "");
      const std::string drawn = std::to_string(step.Random("dice"));
      CO_RETURN_IF_ERROR((co_await AskModel(step, "ask", drawn)).status());
      step.End();
      text += drawn + " ";
    }
    co_return text;
  };
  const std::string id = bench_.Submit();
  const std::string source = bench_.TextOf(bench_.End(id));
  v1::ForkTaskRequest request = bench_.ForkAt(id, "step:2");
  request.set_seed(12345);
  const std::string fork = bench_.Fork(request);
  const std::string forked = bench_.TextOf(bench_.End(fork));
  const size_t space = source.find(' ');
  EXPECT_EQ(forked.substr(0, space), source.substr(0, space));
  EXPECT_NE(forked, source);
  EXPECT_EQ(bench_.model().calls, 3);
  // The model would be told another seed there now; what it replied stands.
  EXPECT_EQ(bench_.SpanAt(fork, "step:1/ask").attributes[kRequestDiffers], true);
  EXPECT_EQ(bench_.End(fork).seed, 12345U);
}

TEST_F(ForkTest, WithAnotherSeedTellsModelsAnother) {
  std::vector<std::optional<int64_t>> seeds;
  const auto echo = bench_.model().reply;
  bench_.model().reply = [&](const ChatRequest& request) {
    seeds.push_back(request.seed);
    return echo(request);
  };
  bench_.script = [](Scope& root) { return TwoSteps(root, "do"); };
  const std::string unseeded = bench_.Submit();
  bench_.End(unseeded);
  ASSERT_EQ(seeds.size(), 2U);
  EXPECT_FALSE(seeds[0].has_value());
  v1::TaskSpec spec;
  spec.set_seed(1);
  const std::string id = bench_.Submit(spec);
  bench_.End(id);
  ASSERT_EQ(seeds.size(), 4U);
  EXPECT_NE(seeds[2], seeds[3]);
  v1::ForkTaskRequest request = bench_.ForkAt(id, "step:2");
  bench_.End(bench_.Fork(request));
  request.set_seed(2);
  bench_.End(bench_.Fork(request));
  ASSERT_EQ(seeds.size(), 6U);
  EXPECT_EQ(seeds[4], seeds[3]);
  EXPECT_TRUE(seeds[5].has_value());
  EXPECT_NE(seeds[5], seeds[3]);
}

TEST_F(ForkTest, WithAnotherModelCallsItFromTheForkOn) {
  bench_.script = [](Scope& root) {
    return TwoSteps(root, std::string(root.options().ModelFor("r")));
  };
  const std::string id = bench_.Submit();
  bench_.End(id);
  v1::ForkTaskRequest request = bench_.ForkAt(id, "step:2/ask");
  (*request.mutable_models())["r"] = "other";
  const std::string fork = bench_.Fork(request);
  const TaskRow forked = bench_.End(fork);
  ASSERT_EQ(forked.state, v1::Task::STATE_SUCCEEDED) << forked.error;
  EXPECT_EQ(bench_.TextOf(forked), "echo  1;echo other 2;");
}

// The rule for a changed prompt: what was recorded before the fork stands, though the prompt would
// have asked something else; what the fork itself records is held to, as in every task.
TEST_F(ForkTest, InheritedEffectsStandAndItsOwnMustRepeat) {
  std::string style = "politely";
  bench_.script = [&style](Scope& root) -> Async<std::string> {
    CO_ASSIGN_OR_RETURN(const std::string text, co_await TwoSteps(root, style));
    Question question;
    question.prompt = "Go on?";
    CO_RETURN_IF_ERROR((co_await root.Ask("wait", std::move(question))).status());
    co_return text;
  };
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  style = "rudely";
  const std::string fork = bench_.Fork(bench_.ForkAt(id, "step:2"));
  bench_.WaitForQuestion(fork);
  EXPECT_EQ(bench_.model().calls, 3);
  EXPECT_EQ(bench_.SpanAt(fork, "step:1/ask").attributes[kRequestDiffers], true);
  EXPECT_FALSE(bench_.SpanAt(fork, "step:1/do").attributes.contains(kRequestDiffers));
  EXPECT_FALSE(bench_.SpanAt(fork, "step:2/ask").attributes.contains(kInheritedFrom));
  // After a restart too.
  bench_.Restart();
  bench_.WaitForQuestion(fork);
  ASSERT_TRUE(bench_.manager().Respond(fork, 0, "yes").ok());
  EXPECT_EQ(bench_.TextOf(bench_.End(fork)), "echo politely 1;echo rudely 2;");
  EXPECT_EQ(bench_.model().calls, 3);
  // But what the fork recorded itself must be repeated.
  const std::string other = bench_.Fork(bench_.ForkAt(fork, "step:2"));
  bench_.WaitForQuestion(other);
  style = "not at all";
  bench_.Restart();
  const TaskRow diverged = bench_.End(other);
  EXPECT_EQ(diverged.state, v1::Task::STATE_FAILED);
  EXPECT_EQ(ReasonOf(StatusOf(diverged)), Reason::kDivergence) << diverged.error;
  EXPECT_EQ(MetadataOf(StatusOf(diverged)).at("path"), "step:2/ask");
}

TEST_F(ForkTest, NeverTakesAResultForOneOfAnotherKind) {
  bool tool = false;
  bench_.script = [&tool](Scope& root) -> Async<std::string> {
    Json arguments = Json::object();
    if (tool) {
      CO_RETURN_IF_ERROR((co_await root.CallTool("it", "safe", arguments)).status());
    } else {
      CO_RETURN_IF_ERROR((co_await AskModel(root, "it", "hello")).status());
    }
    co_return "done";
  };
  const std::string id = bench_.Submit();
  bench_.End(id);
  tool = true;
  const TaskRow forked = bench_.End(bench_.Fork(bench_.ForkAt(id, "-")));
  EXPECT_EQ(ReasonOf(StatusOf(forked)), Reason::kDivergence) << forked.error;
}

TEST_F(ForkTest, OfARunningTaskWithTheAnswerThatItWaitsFor) {
  bench_.script = [](Scope& root) -> Async<std::string> {
    CO_RETURN_IF_ERROR((co_await AskModel(root, "ask", "hello")).status());
    Question question;
    question.prompt = "Which way?";
    question.choices = {"left", "right"};
    CO_ASSIGN_OR_RETURN(const Json answer, co_await root.Ask("way", std::move(question)));
    co_return answer.get<std::string>();
  };
  const std::string id = bench_.Submit();
  bench_.WaitForQuestion(id);
  v1::ForkTaskRequest request = bench_.ForkAt(id, "way");
  request.set_text("up");
  EXPECT_EQ(MetadataOf(bench_.manager().Fork(request).status())["field"], "text");
  request.set_text("left");
  const std::string left = bench_.Fork(request);
  EXPECT_EQ(bench_.TextOf(bench_.End(left)), "left");
  EXPECT_EQ(bench_.SpanAt(left, "way").attributes[kReplaced], true);
  // The first one still waits, and comes to its own end.
  bench_.WaitForQuestion(id);
  ASSERT_TRUE(bench_.manager().Respond(id, 0, "right").ok());
  EXPECT_EQ(bench_.TextOf(bench_.End(id)), "right");
  EXPECT_EQ(bench_.model().calls, 1);
}

TEST_F(ForkTest, OfAForkAndDeletedSources) {
  bench_.script = [](Scope& root) { return TwoSteps(root, "do"); };
  const std::string first = bench_.Submit();
  bench_.End(first);
  v1::ForkTaskRequest changed = bench_.ForkAt(first, "step:1/ask");
  changed.set_text("another answer");
  const std::string second = bench_.Fork(changed);
  EXPECT_EQ(bench_.TextOf(bench_.End(second)), "another answer;echo do 2;");
  const std::string third = bench_.Fork(bench_.ForkAt(second, "step:2"));
  bench_.End(third);
  // Each span tells where it was performed.
  EXPECT_EQ(bench_.SpanAt(third, "step:1/ask").attributes[kInheritedFrom], changed.name());
  EXPECT_EQ(bench_.SpanAt(third, "step:1/do").attributes[kInheritedFrom],
            bench_.ForkAt(second, "step:1/do").name());
  // What is shared stays while one of them needs it.
  ASSERT_TRUE(bench_.manager().Delete(first, false).ok());
  ASSERT_TRUE(bench_.manager().Delete(second, false).ok());
  const std::string fourth = bench_.Fork(bench_.ForkAt(third, "-"));
  EXPECT_EQ(bench_.TextOf(bench_.End(fourth)), "another answer;echo do 2;");
}

TEST_F(ForkTest, SharesContentsAndCopiesNoBytes) {
  const std::string long_text(100'000, 'x');
  bench_.script = [&long_text](Scope& root) { return TwoSteps(root, long_text); };
  const std::string id = bench_.Submit();
  bench_.End(id);
  const std::string sizes = "SELECT sum(length(bytes)) FROM contents";
  const std::string counts = "SELECT count(*) FROM contents";
  const int64_t size = bench_.Number(sizes);
  const int64_t count = bench_.Number(counts);
  const std::string fork = bench_.Fork(bench_.ForkAt(id, "-"));
  bench_.End(fork);
  EXPECT_EQ(bench_.Number(counts), count);
  EXPECT_EQ(bench_.Number(sizes), size);
  EXPECT_EQ(bench_.Number("SELECT min(uses) FROM contents"), 2);
  EXPECT_EQ(bench_.Number("SELECT count(*) FROM content_references"), 2 * count);
  ASSERT_TRUE(bench_.manager().Delete(id, false).ok());
  EXPECT_EQ(bench_.Number(counts), count);
  ASSERT_TRUE(bench_.manager().Delete(fork, false).ok());
  EXPECT_EQ(bench_.Number(counts), 0);
}

// Asks with the prompt "test.greeting" twice, the second time with the first reply as its template.
Async<std::string> GreetTwice(Scope& root) {
  const Json values = {{"name", "Ada"}};
  Scope first = root.Open("step", "step:1", "");
  CO_RETURN_IF_ERROR(OverlayPrompts(first, {{"test.greeting", "Dear {{name}}"}}));
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(first, "test.greeting", values));
  CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await first.Chat("ask", "r", std::move(request)));
  first.End();
  Scope second = root.Open("step", "step:2", "");
  CO_RETURN_IF_ERROR(
      OverlayPrompts(second, {{"test.greeting", reply.message.text() + ", {{name}}"}}));
  CO_ASSIGN_OR_RETURN(ChatRequest again, PromptRequest(second, "test.greeting", values));
  CO_ASSIGN_OR_RETURN(const ChatReply last, co_await second.Chat("ask", "r", std::move(again)));
  second.End();
  co_return last.message.text();
}

TEST_F(ForkTest, KeepsTheOverlaysOfPrompts) {
  TempFolder prompts;
  std::ofstream(prompts.path() / "greeting.md")
      << "+++\nname = \"test.greeting\"\n[[variables]]\nname = \"name\"\n"
         "required = true\n+++\nHello {{name}}";
  ASSERT_TRUE(bench_.prompts().LoadFolder(prompts.path()).ok());
  bench_.script = GreetTwice;
  const std::string id = bench_.Submit();
  const TaskRow source = bench_.End(id);
  ASSERT_EQ(source.state, v1::Task::STATE_SUCCEEDED) << source.error;
  EXPECT_EQ(bench_.TextOf(source), "echo echo Dear Ada, Ada");
  const TaskRow forked = bench_.End(bench_.Fork(bench_.ForkAt(id, "step:2")));
  EXPECT_EQ(bench_.TextOf(forked), bench_.TextOf(source));
  EXPECT_EQ(bench_.model().calls, 3);  // the first reply was inherited
  const TaskRow replayed = bench_.End(bench_.Replay(id));
  EXPECT_EQ(replayed.state, v1::Task::STATE_SUCCEEDED) << replayed.error;
  EXPECT_EQ(bench_.model().calls, 3);
}

TEST_F(ForkTest, ChargesWhatIsKeptToTheBudget) {
  bench_.script = [](Scope& root) { return TwoSteps(root, "do"); };
  v1::TaskSpec spec;
  spec.mutable_budget()->set_max_model_calls(1);
  const std::string id = bench_.Submit(spec);
  EXPECT_EQ(bench_.End(id).state, v1::Task::STATE_STOPPED);
  EXPECT_EQ(bench_.model().calls, 1);
  // One call was kept and none is left.
  const std::string fork = bench_.Fork(bench_.ForkAt(id, "step:2"));
  EXPECT_EQ(bench_.End(fork).state, v1::Task::STATE_STOPPED);
  EXPECT_EQ(bench_.model().calls, 1);
  // Nothing was kept.
  EXPECT_EQ(bench_.End(bench_.Fork(bench_.ForkAt(id, "step:1"))).state, v1::Task::STATE_STOPPED);
  EXPECT_EQ(bench_.model().calls, 2);
}

TEST_F(ForkTest, RefusesWhatCannotBe) {
  bench_.script = Everything;
  const std::string id = bench_.Submit();
  bench_.End(id);
  const auto field_of = [&](const v1::ForkTaskRequest& request) {
    const absl::Status refused = bench_.manager().Fork(request).status();
    EXPECT_EQ(ReasonOf(refused), Reason::kInvalidField) << refused;
    return MetadataOf(refused)["field"];
  };
  for (const char* path : {"all", "race/order.next:1", "all/branch:1/draw:1", "-"}) {
    SCOPED_TRACE(path);
    v1::ForkTaskRequest request = bench_.ForkAt(id, path);
    request.set_text("x");
    EXPECT_EQ(field_of(request), "name");
  }
  v1::ForkTaskRequest request = bench_.ForkAt(id, "race/do:0");
  request.set_value_json("{");
  EXPECT_EQ(field_of(request), "value_json");
  request = bench_.ForkAt(id, "now");
  request.set_text("noon");
  EXPECT_EQ(field_of(request), "text");
  request.set_value_json("1000000");
  EXPECT_EQ(bench_.End(bench_.Fork(request)).state, v1::Task::STATE_SUCCEEDED);
  request = bench_.ForkAt(id, "now");
  request.set_name("tasks/" + id + "/spans/9999");
  EXPECT_EQ(ReasonOf(bench_.manager().Fork(request).status()), Reason::kNotFound);
}

}  // namespace
}  // namespace troupe
