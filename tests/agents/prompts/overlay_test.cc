// Texts that stand in place of named prompts below a scope.
#include "agents/prompts/overlay.h"

#include <gtest/gtest.h>

#include <fstream>

#include "agents/prompts/prompt_library.h"
#include "agents/prompts/render.h"
#include "tests/agents/runtime/run_fixture.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

constexpr char kPrompt[] = "test.greeting";

class OverlayTest : public RunTest {
 protected:
  OverlayTest() {
    std::ofstream(folder_.path() / "greeting.md")
        << "+++\nname = \"test.greeting\"\ndescription = \"Greets\"\n[[variables]]\n"
           "name = \"name\"\nrequired = true\n[[variables]]\nname = \"mood\"\n+++\nHello {{name}}";
    std::ofstream(folder_.path() / "parting.md")
        << "+++\nname = \"test.parting\"\n[[variables]]\nname = \"name\"\n+++\nBye {{name}}";
    EXPECT_TRUE(library_.LoadFolder(folder_.path()).ok());
    prompts_ = &library_;
  }

  static std::string Rendered(const Scope& scope, const std::string& prompt = kPrompt) {
    const auto rendered = RenderPrompt(scope, prompt, {{"name", "Ada"}});
    return rendered.ok() ? rendered->id + ": " + rendered->text
                         : std::string(rendered.status().message());
  }

  PromptLibrary library_;
};

TEST_F(OverlayTest, HoldsForTheScopeAndAllBelowItAlone) {
  const std::string dear =
      "test.greeting@sha256:" + Sha256Hex("Dear {{name}}").substr(0, 8) + ": Dear Ada";
  const auto algorithm = [&](Scope& root) -> Async<int> {
    Scope before = root.Open("step", "before", "");
    Scope trial = root.Open("step", "trial", "");
    EXPECT_TRUE(OverlayPrompts(trial, {{kPrompt, "Dear {{name}}"}}).ok());
    Scope below = trial.Open("step", "below", "");
    EXPECT_EQ(Rendered(root), "test.greeting@1: Hello Ada");
    EXPECT_EQ(Rendered(before), "test.greeting@1: Hello Ada");
    EXPECT_EQ(Rendered(trial), dear);
    EXPECT_EQ(Rendered(below), dear);
    EXPECT_EQ(Rendered(trial.ForClosing()), dear);
    EXPECT_EQ(Rendered(below, "test.parting"), "test.parting@1: Bye Ada");
    // One further down replaces it, and what it does not name stays as it is above.
    EXPECT_TRUE(OverlayPrompts(below, {{"test.parting", "Farewell"}}).ok());
    EXPECT_EQ(Rendered(below), dear);
    EXPECT_TRUE(Rendered(below, "test.parting").ends_with(": Farewell"));
    EXPECT_EQ(Rendered(trial, "test.parting"), "test.parting@1: Bye Ada");
    EXPECT_EQ(below.prompts()->BriefOf(kPrompt), "Greets");
    co_return 1;
  };
  ASSERT_TRUE(Live<int>(algorithm).ok());
}

TEST_F(OverlayTest, HoldsOverTheVersionThatTheSpecNames) {
  options_.prompts[kPrompt] = "1";
  const auto algorithm = [&](Scope& root) -> Async<int> {
    EXPECT_TRUE(OverlayPrompts(root, {{kPrompt, "Dear {{name}}"}}).ok());
    EXPECT_TRUE(Rendered(root).ends_with(": Dear Ada"));
    co_return 1;
  };
  ASSERT_TRUE(Live<int>(algorithm).ok());
}

TEST_F(OverlayTest, RefusesWhatIsNoTemplateOfThePrompt) {
  const auto algorithm = [&](Scope& root) -> Async<int> {
    const auto refused = [&root](const std::string& prompt, const std::string& text) {
      const absl::Status status = OverlayPrompts(root, {{prompt, text}});
      EXPECT_FALSE(status.ok()) << text;
      return std::string(MessageOf(status));
    };
    EXPECT_EQ(refused("test.nobody", "x"), "there is no prompt 'prompts/test.nobody'");
    EXPECT_EQ(refused(kPrompt, "Dear {{nmae}}"),
              "prompt test.greeting: line 1, column 6: there is no variable 'nmae'");
    EXPECT_EQ(refused(kPrompt, "Dear you"),
              "prompt test.greeting: the template does not use the variable 'name'");
    EXPECT_NE(refused(kPrompt, "").find("1 byte to 256 KiB"), std::string::npos);
    EXPECT_NE(refused(kPrompt, std::string(kMaxPromptTemplate + 1, 'x')).find("256 KiB"),
              std::string::npos);
    EXPECT_EQ(Rendered(root), "test.greeting@1: Hello Ada");
    co_return 1;
  };
  ASSERT_TRUE(Live<int>(algorithm).ok());
}

TEST_F(OverlayTest, IsTheSameInEveryLife) {
  std::string greeting = "Dear {{name}}";
  const auto algorithm = [&](Scope& root) -> Async<std::string> {
    Scope trial = root.Open("trial", "trial:1", "");
    CO_RETURN_IF_ERROR(OverlayPrompts(trial, {{kPrompt, greeting}}));
    const Json values = {{"name", "Ada"}};
    CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(trial, kPrompt, values));
    CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await trial.Chat("ask", "r", std::move(request)));
    trial.End();
    co_return reply.message.text();
  };
  for (int life = 1; life <= 2; ++life) {
    const auto said = Live<std::string>(algorithm);
    ASSERT_TRUE(said.ok()) << said.status();
    EXPECT_EQ(*said, "echo Dear Ada");
  }
  EXPECT_EQ(model_.calls, 1);
  std::map<std::string, SpanRecord> spans;
  const auto recorded = store_->LoadSpans("t");
  for (const SpanRecord& span : *recorded) spans[span.path] = span;
  const std::string digest = Sha256Hex(greeting);
  EXPECT_EQ(spans["trial:1"].attributes[kPromptOverlay][kPrompt], digest);
  EXPECT_EQ(spans["trial:1/ask"].attributes["prompt"],
            "test.greeting@sha256:" + digest.substr(0, 8));
  // Another text is another request, which the record has not.
  greeting = "My dear {{name}}";
  EXPECT_EQ(ReasonOf(Live<std::string>(algorithm).status()), Reason::kDivergence);
}

}  // namespace
}  // namespace troupe
