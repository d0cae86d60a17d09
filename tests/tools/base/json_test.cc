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

// Texts are read by a faster parser than nlohmann's, which must make the same of them.
TEST(JsonTest, ReadsTextsAsNlohmannDoes) {
  for (const std::string& text : std::vector<std::string>{
           R"({"b":1,"a":{"c":[1,-2,3.5,true,false,null,"x"]}})",
           R"({"a":1,"a":2})",
           "0",
           "-0",
           "-0.0",
           "9223372036854775807",
           "-9223372036854775808",
           "18446744073709551615",
           "18446744073709551616",
           "-9223372036854775809",
           "1e3",
           "0.1",
           "2.2250738585072011e-308",
           "5e-324",
           "1e400",
           R"("\u00e9\n\t\"\\\/")",
           R"("\ud83d\ude00")",
           R"("\ud83d")",
           R"("\ud83dx")",
           R"("\ude00\ud83d")",
           R"("\uDEAD")",
           "\"gr\xc3\xbc\xc3\x9f\"",
           "\"\xff\"",
           "\"\xed\xa0\x80\"",
           "\xef\xbb\xbf{}",
           std::string("\"a\0b\"", 5),
           "\"a\nb\"",
           "",
           " ",
           " [ ] ",
           "[1,]",
           "[1] x",
           "{\"a\":}",
           "nul",
           "NaN",
           "01",
           "+1",
           ".5",
           "1.",
           "'a'",
           "// c\n1",
       }) {
    const Json expected = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    const auto got = ParseJson(text, "it");
    EXPECT_EQ(got.ok(), !expected.is_discarded()) << text;
    if (!got.ok() || expected.is_discarded()) continue;
    EXPECT_EQ(DumpJson(*got), DumpJson(expected)) << text;
    EXPECT_EQ(got->is_number_float(), expected.is_number_float()) << text;
  }
}

}  // namespace
}  // namespace troupe
