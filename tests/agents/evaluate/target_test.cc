#include "agents/evaluate/target.h"

#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

const std::vector<std::string> kFields = {"input", "topic", "target"};

Item ItemOf(Json fields) { return *MakeItem(7, std::move(fields), *FindItemFields({}, kFields)); }

TEST(ItemTest, FindsTheUsualFields) {
  const auto names = FindItemFields({}, kFields);
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_EQ(names->question, "input");
  EXPECT_EQ(names->answer, "target");
  const auto given = FindItemFields({"topic", ""}, kFields);
  ASSERT_TRUE(given.ok());
  EXPECT_EQ(given->question, "topic");
  EXPECT_EQ(ReasonOf(FindItemFields({"no", ""}, kFields).status()), Reason::kInvalidField);
  EXPECT_EQ(ReasonOf(FindItemFields({}, {"a", "b"}).status()), Reason::kInvalidField);
}

TEST(ItemTest, HasTextOfAnyValue) {
  const Item item = ItemOf({{"input", "2+2?"}, {"target", 4}});
  EXPECT_EQ(item.id, "7");
  EXPECT_EQ(item.question, "2+2?");
  EXPECT_EQ(item.answer, "4");
  EXPECT_EQ(ItemOf({{"input", "a"}, {"id", "q9"}}).id, "q9");
  const auto empty = MakeItem(3, {{"input", ""}}, {"input", ""});
  EXPECT_EQ(ReasonOf(empty.status()), Reason::kInvalidField);
}

TEST(PromptUnderTestTest, StandsBeforeTheQuestion) {
  const Item item = ItemOf({{"input", "Is {{it}} so?"}, {"target", "Yes"}});
  EXPECT_EQ(*FillPrompt(PlainPrompt("Think {{first}}."), item),
            "Think {{first}}.\n\nIs {{it}} so?");
  // A file's last line has an end, and the prompt that was searched with it has none.
  EXPECT_EQ(*FillPrompt(PlainPrompt("Think.\n"), item), *FillPrompt(PlainPrompt("Think."), item));
  EXPECT_EQ(*FillPrompt(PlainPrompt(""), item), "Is {{it}} so?");
  EXPECT_EQ(PlainPrompt("a").id, PlainPrompt("a").id);
  EXPECT_NE(PlainPrompt("a").id, PlainPrompt("b").id);
}

TEST(PromptUnderTestTest, IsFilledFromTheFields) {
  const Item item = ItemOf({{"input", "So?"}, {"topic", "maps"}, {"target", "Yes"}});
  const auto prompt = TemplatePrompt("On {{topic}}: {{question}} ({{input}})", kFields);
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  EXPECT_EQ(*FillPrompt(*prompt, item), "On maps: So? (So?)");
  EXPECT_EQ(ReasonOf(TemplatePrompt("{{unknown}}", kFields).status()), Reason::kInvalidField);
  const Item lacking = ItemOf({{"input", "So?"}, {"target", "Yes"}});
  EXPECT_EQ(ReasonOf(FillPrompt(*prompt, lacking).status()), Reason::kInvalidField);
}

TEST(PromptUnderTestTest, NeverSeesTheExpectedAnswer) {
  const auto prompt = TemplatePrompt("{{question}} Say {{target}}.", kFields);
  ASSERT_TRUE(prompt.ok());
  const auto filled = FillPrompt(*prompt, ItemOf({{"input", "So?"}, {"target", "Yes"}}));
  EXPECT_EQ(ReasonOf(filled.status()), Reason::kInvalidField);
}

using PromptTargetTest = RunTest;

TEST_F(PromptTargetTest, CallsTheModelOnceAndNotAgain) {
  const PromptTarget target({});
  for (int life = 0; life < 2; ++life) {
    const auto answer = Live<TargetAnswer>([&](Scope& root) -> Async<TargetAnswer> {
      Item item = ItemOf({{"input", "So?"}});
      PromptUnderTest prompt = PlainPrompt("Think.");
      co_return co_await target.Run(root, std::move(item), std::move(prompt));
    });
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->text, "echo Think.\n\nSo?");
    EXPECT_EQ(answer->usage.model_calls, 1);
    EXPECT_EQ(answer->usage.cost_microusd, 50);
  }
  EXPECT_EQ(model_.calls, 1);
}

}  // namespace
}  // namespace troupe
