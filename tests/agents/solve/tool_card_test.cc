#include "agents/prompts/tool_card.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/tool_search.h"

namespace troupe {
namespace {

TEST(ToolCardTest, IsThePromptOfItsTool) {
  const auto card = ParseToolCard(R"(+++
tool = "weather.forecast"
brief = "Tomorrow"
[[examples]]
note = "In degrees"
arguments = '{"city": "{{Boston"}'
+++
{{description}}
By English names.
)",
                                  "card.md");
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_EQ(card->name, "tool.weather.forecast");
  EXPECT_EQ(card->description, "Tomorrow");
  const auto compiled = CompilePrompt(*card, card->text);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  EXPECT_EQ(*compiled->Render({{"description", "Tells the weather."}}),
            "Tells the weather.\nBy English names.\n\nExamples:\n"
            "- In degrees: {\"city\":\"{{Boston\"}\n");
}

TEST(ToolCardTest, SaysWhatIsWrong) {
  for (const char* wrong : {"", "tool = \"x\"", "+++\n+++\ntext", "+++\ntool = \"Bad Name\"\n+++\n",
                            "+++\ntool = \"x\"\nextra = 1\n+++\n", "+++\ntool = \n+++\n",
                            "+++\ntool = \"x\"\n[[examples]]\narguments = \"{\"\n+++\n"}) {
    const auto card = ParseToolCard(wrong, "card.md");
    EXPECT_EQ(ReasonOf(card.status()), Reason::kInvalidField) << wrong;
    EXPECT_NE(MessageOf(card.status()).find("card.md"), std::string_view::npos) << wrong;
  }
}

TEST(ToolSearchTest, FindsByWordsInAnyForm) {
  const std::vector<SearchedTool> tools = {
      {"weather.getForecast", "Tomorrow's weather in a city", "Degrees and rain."},
      {"files.read", "Reads a file", "Text of a file, some lines at a time."},
      {"convert_currency", "Converts money", "By today's rates. Not for weather."},
  };
  const auto found = [&](const char* query, size_t limit = 10) {
    const auto places = SearchTools(tools, query, limit);
    EXPECT_TRUE(places.ok()) << places.status();
    return *places;
  };
  EXPECT_EQ(found("What is the weather forecast for Berlin?"), (std::vector<size_t>{0, 2}));
  EXPECT_EQ(found("weather", 1), (std::vector<size_t>{0}));
  EXPECT_EQ(found("converting currencies"), (std::vector<size_t>{2}));
  EXPECT_EQ(found("reading FILES"), (std::vector<size_t>{1}));
  EXPECT_EQ(found("get forecast"), (std::vector<size_t>{0}));
  // Nothing of what is asked for is an operator of the index.
  for (const char* odd : {"", "the of", "\"", "a AND (", "name:x NEAR * ^"}) {
    EXPECT_TRUE(found(odd).empty()) << odd;
  }
  EXPECT_TRUE(SearchTools(tools, "\xc3\xa4\xff", 3).ok());  // nor does what is no text break it
}

}  // namespace
}  // namespace troupe
