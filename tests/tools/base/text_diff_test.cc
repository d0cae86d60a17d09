#include "tools/base/text_diff.h"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(ReadableJsonTest, LaysOutMembersLineByLine) {
  const Json value = {
      {"messages", {{{"parts", {{{"text", "You plan.\nAnswer in JSON.\n"}}}}, {"role", "user"}}}},
      {"empty", Json::array()},
      {"list", {1, "two", nullptr}},
      {"temperature", 0.5}};
  EXPECT_EQ(ReadableJson(value),
            "empty: []\n"
            "list:\n"
            "  - 1\n"
            "  - \"two\"\n"
            "  - null\n"
            "messages:\n"
            "  - parts:\n"
            "      - text: |\n"
            "          You plan.\n"
            "          Answer in JSON.\n"
            "    role: \"user\"\n"
            "temperature: 0.5\n");
  EXPECT_EQ(ReadableJson("one line"), "\"one line\"\n");
  EXPECT_EQ(ReadableJson(3), "3\n");
}

TEST(ReadableJsonTest, LaysOutATextThatIsJson) {
  const Json nested = {{"code", "a = 1\nprint(a)"}, {"n", 2}};
  const Json value = {{"text", nested.dump()}, {"plain", "{not JSON"}};
  EXPECT_EQ(ReadableJson(value),
            "plain: \"{not JSON\"\n"
            "text: (JSON)\n"
            "  code: |-\n"
            "    a = 1\n"
            "    print(a)\n"
            "  n: 2\n");
}

TEST(ReadableJsonTest, UnequalValuesReadUnequal) {
  const Json pairs[][2] = {
      {"a\nb", "a\nb\n"}, {1, "1"}, {Json::object(), Json::array()}, {{{"a", {1}}}, {{"a", 1}}}};
  for (const auto& [a, b] : pairs) EXPECT_NE(ReadableJson(a), ReadableJson(b));
}

TEST(UnifiedDiffTest, EqualTextsHaveNone) { EXPECT_EQ(UnifiedDiff("a\nb", "a\nb", "x", "y"), ""); }

TEST(UnifiedDiffTest, ShowsTheChangeWithItsSurroundings) {
  EXPECT_EQ(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "old",
                        "new", {.context = 2}),
            "--- old\n+++ new\n@@ -3,5 +3,5 @@\n 3\n 4\n-5\n+five\n 6\n 7\n");
}

TEST(UnifiedDiffTest, LinesOnOneSideAlone) {
  EXPECT_EQ(UnifiedDiff("a\nb\n", "a\nx\ny\nb\n", "o", "n"),
            "--- o\n+++ n\n@@ -1,2 +1,4 @@\n a\n+x\n+y\n b\n");
  EXPECT_EQ(UnifiedDiff("", "a\n", "o", "n"), "--- o\n+++ n\n@@ -1,0 +1,1 @@\n+a\n");
}

TEST(UnifiedDiffTest, TwoChangesFarApartAreTwoPieces) {
  std::string before;
  std::string after;
  for (int i = 1; i <= 40; ++i) {
    before += std::to_string(i) + "\n";
    after += (i == 5 || i == 30 ? "x" + std::to_string(i) : std::to_string(i)) + "\n";
  }
  EXPECT_EQ(UnifiedDiff(before, after, "o", "n", {.context = 1}),
            "--- o\n+++ n\n@@ -4,3 +4,3 @@\n 4\n-5\n+x5\n 6\n@@ -29,3 +29,3 @@\n 29\n-30\n+x30\n "
            "31\n");
}

TEST(UnifiedDiffTest, ALongLineShowsWhereItDiffers) {
  const std::string before = std::string(5000, 'a') + "old" + std::string(5000, 'z');
  const std::string after = std::string(5000, 'a') + "new" + std::string(5000, 'z');
  const std::string diff = UnifiedDiff(before, after, "o", "n");
  EXPECT_LT(diff.size(), 500U);
  EXPECT_NE(diff.find("-..."), std::string::npos);
  EXPECT_NE(diff.find("aaaoldzzz"), std::string::npos);
  EXPECT_NE(diff.find("aaanewzzz"), std::string::npos);
}

TEST(UnifiedDiffTest, NeverCutsACharacter) {
  std::string before;
  for (int i = 0; i < 400; ++i) before += "é";
  const Json valid = UnifiedDiff(before + "x", before + "y", "o", "n", {.max_width = 101});
  EXPECT_NO_THROW(valid.dump());  // throws for what is not UTF-8
}

TEST(UnifiedDiffTest, StaysBoundedHoweverLargeTheTexts) {
  std::string before;
  std::string after;
  for (int i = 0; i < 100'000; ++i) {
    before += "old " + std::to_string(i) + "\n";
    after += "new " + std::to_string(i) + "\n";
  }
  const std::string diff = UnifiedDiff(before, after, "o", "n", {.max_lines = 10});
  EXPECT_LT(diff.size(), 400U);
  EXPECT_NE(diff.find("more lines differ"), std::string::npos);
}

TEST(DiffHunksTest, HaveNumbersAndLines) {
  EXPECT_TRUE(DiffHunks("a\nb\n", "a\nb").empty());
  const auto hunks = DiffHunks("1\n2\n3\n4\n5\n6\n", "1\n2\nthree\n4\n5\n6\nseven\n", 1);
  ASSERT_EQ(hunks.size(), 2u);
  EXPECT_EQ(hunks[0].before_line, 2u);
  EXPECT_EQ(hunks[0].before_count, 3u);
  EXPECT_EQ(hunks[0].after_line, 2u);
  EXPECT_EQ(hunks[0].after_count, 3u);
  std::string lines;
  for (const DiffLine& line : hunks[0].lines) lines += line.mark + line.text + "|";
  EXPECT_EQ(lines, " 2|-3|+three| 4|");
  EXPECT_EQ(hunks[1].after_line, 6u);
  EXPECT_EQ(hunks[1].lines.back().text, "seven");
}

TEST(DiffHunksTest, TheWholeDifferenceIsCutNowhere) {
  std::string before;
  std::string after;
  for (int i = 0; i < 200; ++i) before += std::string(300, 'a') + "\n";
  for (int i = 0; i < 200; ++i) after += std::string(300, 'b') + "\n";
  const std::string diff = WholeUnifiedDiff(before, after, "o", "n");
  EXPECT_GT(diff.size(), 400u * 300u);
  EXPECT_EQ(diff.find("..."), std::string::npos);
}

}  // namespace
}  // namespace troupe
