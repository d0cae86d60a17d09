#include "tools/base/json.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace troupe {
namespace {

TEST(JsonTest, ErrorNamesSourceAndByte) {
  const auto value = ParseJson(R"({"a": 1,)", "the reply");
  ASSERT_FALSE(value.ok());
  EXPECT_NE(MessageOf(value.status()).find("the reply"), std::string_view::npos);
  EXPECT_NE(MessageOf(value.status()).find("byte"), std::string_view::npos);
}

TEST(JsonTest, RefusesHostileNesting) {
  EXPECT_FALSE(ParseJson(std::string(100000, '['), "x").ok());
  EXPECT_FALSE(ParseJson(std::string(1000, '[') + std::string(1000, ']'), "x").ok());
  EXPECT_TRUE(ParseJson(std::string(100, '[') + std::string(100, ']'), "x").ok());
  const std::string deep = R"({"\"[":)" + std::string(128, '[') + std::string(128, ']') + "}";
  EXPECT_FALSE(ParseJson(deep, "x").ok());
}

TEST(JsonTest, TakesNoBracketOfATextForNesting) {
  const std::string brackets(1000, '[');
  EXPECT_TRUE(ParseJson("[\"" + brackets + "\\\"" + brackets + "\", 1]", "x").ok());
  std::string wide = "[0";
  for (int i = 0; i < 1000; ++i) wide += ",[{}]";
  EXPECT_TRUE(ParseJson(wide + "]", "x").ok());
}

TEST(JsonTest, MembersFallBackOnWrongType) {
  const Json value = {{"n", 3}, {"s", "x"}, {"d", 2.5}, {"z", nullptr}};
  EXPECT_EQ(JsonInt(value, "n"), 3);
  EXPECT_EQ(JsonInt(value, "d"), 2);
  EXPECT_EQ(JsonString(value, "n", "none"), "none");
  EXPECT_EQ(JsonString(value, "z", "none"), "none");
  EXPECT_EQ(JsonInt(Json("text"), "n", 7), 7);
}

TEST(JsonTest, PrintsBytesThatAreNotUtf8) { EXPECT_FALSE(DumpJson("\xff").empty()); }

TEST(JsonTest, AppendsTextAsItIsDumped) {
  const std::string texts[] = {"",
                               "plain text, even {braces}",
                               "a \"quote\" and a \\",
                               "two\nlines\tand a tab",
                               std::string("\0\x01\x1f\x7f", 4),
                               "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac",
                               "not UTF-8: \xff\xc3"};
  for (const std::string& text : texts) {
    std::string appended = "before ";
    AppendJsonText(appended, text);
    EXPECT_EQ(appended, "before " + DumpJson(Json(text)));
  }
}

TEST(JsonTest, AppendsEveryByteAtEveryPlaceAsItIsDumped) {
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t at = 0; at < 19; ++at) {
      std::string text(19, 'z');
      text[at] = static_cast<char>(byte);
      std::string appended;
      AppendJsonText(appended, text);
      EXPECT_EQ(appended, DumpJson(Json(text))) << byte << " at " << at;
    }
  }
}

}  // namespace
}  // namespace troupe
