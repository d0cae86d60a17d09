// The report of an SPO task: what it says, and what it does not let through.
#include "agents/spo/report/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <cmath>
#include <map>

#include "agents/report/markdown.h"
#include "agents/spo/report/figures.h"

namespace troupe {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::SpoPrompt& AddPrompt(v1::SpoResult& result, int parent, int round, v1::SpoPrompt::Fate fate,
                         const std::string& text) {
  v1::SpoPrompt& prompt = *result.add_prompts();
  prompt.set_number(result.prompts_size());
  prompt.set_parent(parent);
  prompt.set_round(round);
  prompt.set_fate(fate);
  prompt.set_text(text);
  return prompt;
}

void AddDuel(v1::SpoResult& result, int left, int right, v1::Comparison::Outcome outcome) {
  v1::SpoDuel& duel = *result.add_duels();
  duel.set_left(left);
  duel.set_right(right);
  duel.set_outcome(outcome);
}

// Three prompts: the first, one that won against it and one that lost.
v1::SpoResult SmallResult() {
  v1::SpoResult result;
  AddPrompt(result, 0, 1, v1::SpoPrompt::FATE_SEED, "Answer.\nBriefly.\n");
  AddPrompt(result, 1, 2, v1::SpoPrompt::FATE_ACCEPTED, "Answer.\nWith units.\n")
      .set_modification("asks for units");
  AddPrompt(result, 1, 2, v1::SpoPrompt::FATE_REJECTED, "Answer!\n").set_reason("lost 0 to 2");
  result.set_best(2);
  AddDuel(result, 1, 2, v1::Comparison::OUTCOME_RIGHT);
  AddDuel(result, 1, 2, v1::Comparison::OUTCOME_NEUTRAL);
  AddDuel(result, 1, 3, v1::Comparison::OUTCOME_LEFT);
  for (const char* name : {"2", "1", "3"}) result.add_strengths()->set_name(name);
  for (int round = 1; round <= 2; ++round) {
    v1::SpoRound& entry = *result.add_rounds();
    entry.set_round(round);
    entry.set_incumbent(round);
    entry.set_win_rate(round == 1 ? 0.5 : 0.71);
    entry.set_win_rate_low(round == 1 ? 0.5 : 0.52);
    entry.set_win_rate_high(round == 1 ? 0.5 : 0.85);
    entry.set_model_calls(15 * round);
    entry.set_cost_microusd(6'000 * round);
  }
  v1::SpoRoleCost& cost = *result.add_costs();
  cost.set_role("executor");
  cost.set_model_calls(30);
  cost.set_cost_microusd(12'000);
  return result;
}

std::map<std::string, std::string> FilesOf(const v1::SpoResult& result) {
  std::map<std::string, std::string> files;
  for (const ReportFile& file : MakeSpoReport(result)) files[file.name] = file.text;
  return files;
}

// Whether every tag that is opened is closed, in order, and nothing stands outside of the root.
bool IsBalanced(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.ends_with('/')) continue;
    if (!name.starts_with('/')) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name.substr(1)) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

TEST(SpoReportTest, TellsWhatWasDoneAndWhatItCost) {
  const auto files = FilesOf(SmallResult());
  const std::string& page = files.at("report.md");
  EXPECT_THAT(page, HasSubstr("| result | prompt P2 of 3 |"));
  EXPECT_THAT(page, HasSubstr("won 1, lost 0, tied 1 comparisons"));
  EXPECT_THAT(page, HasSubstr("| 2 | P2 | 0 | 0 | 71 % | 52 % to 85 % | 30 | $0.0120 |"));
  EXPECT_THAT(page, HasSubstr("-Briefly.\n+With units.\n"));
  EXPECT_THAT(page, HasSubstr("asks for units"));
  EXPECT_THAT(page, HasSubstr("| P3 | 2 | P1 | rejected |  | lost 0 to 2 |"));
  EXPECT_THAT(page, HasSubstr("| P2 best | | 1–0 (1) | |"));
  EXPECT_THAT(page, HasSubstr("| executor | 30 | 0 | 0 | $0.0120 |"));
  // 0.012 of 0.15 dollars.
  EXPECT_THAT(page, HasSubstr("| SPO | $0.15 | 8 % of it |"));
  for (const auto& [name, text] : files) {
    if (name == "report.md") continue;
    EXPECT_THAT(page, HasSubstr("(" + name + ")"));
    EXPECT_TRUE(IsBalanced(text)) << name;
    EXPECT_THAT(text, HasSubstr("prefers-color-scheme:dark"));
  }
  EXPECT_EQ(files.size(), 5u);
}

TEST(SpoReportTest, WhatModelsWroteIsShownAndNotObeyed) {
  v1::SpoResult result = SmallResult();
  const std::string evil = "![x](http://evil/) <script>go()</script> | a | \n# Title ``` </title>";
  result.mutable_prompts(1)->set_modification(evil);
  result.mutable_prompts(1)->set_text("```\n# Not a title\n````\n" + evil);
  result.mutable_prompts(2)->set_reason(evil);
  result.mutable_costs(0)->set_role("<b>");
  const auto files = FilesOf(result);
  const std::string& page = files.at("report.md");
  EXPECT_THAT(page, HasSubstr("&#60;script&#62;"));
  // Outside of fences nothing of it is markup; its own fences are shorter than those around it.
  EXPECT_THAT(page, HasSubstr("`````text\n```\n# Not a title\n````\n"));
  EXPECT_THAT(page, Not(HasSubstr("Changed: ![x]")));
  for (const auto& [name, text] : files) {
    if (name != "report.md") {
      EXPECT_TRUE(IsBalanced(text)) << name << text;
      EXPECT_THAT(text, Not(HasSubstr("<script")));
    }
  }
}

TEST(SpoReportTest, PlainWordsAreShownAsTheyAre) {
  EXPECT_EQ(InlineText("Result: 3 of 4 (75 %)! So {it} is."), "Result: 3 of 4 (75 %)! So {it} is.");
  // What a page would make a link of.
  EXPECT_EQ(InlineText("http://evil/ WWW.evil.com a@b.c"),
            "http&#58;//evil/ WWW&#46;evil.com a&#64;b.c");
  EXPECT_EQ(InlineText("[a](b) *c* `d` e|f"), "&#91;a&#93;(b) &#42;c&#42; &#96;d&#96; e&#124;f");
}

TEST(SpoReportTest, WithoutPricesNoMoneyIsToldOf) {
  v1::SpoResult result = SmallResult();
  for (v1::SpoRoleCost& cost : *result.mutable_costs()) cost.set_cost_microusd(0);
  for (v1::SpoRound& round : *result.mutable_rounds()) round.set_cost_microusd(0);
  const std::string page = FilesOf(result).at("report.md");
  EXPECT_THAT(page, Not(HasSubstr("$0.0000")));
  EXPECT_THAT(page, HasSubstr("no prices are configured"));
}

TEST(SpoReportTest, NothingIsNotLessThanNothing) {
  v1::SpoResult result = SmallResult();
  v1::CompareStrength& first = *result.add_tournament();
  first.set_name("1");
  first.set_strength(-0.001);
  first.set_low(-1.25);
  first.set_high(0.004);
  EXPECT_THAT(FilesOf(result).at("report.md"), HasSubstr("| P1 | 0.00 | -1.25 to 0.00 |"));
}

TEST(SpoReportTest, SaysWhatAMatchOfTheTournamentIsOver) {
  v1::SpoResult result = SmallResult();
  result.add_tournament()->set_name("2");
  EXPECT_THAT(FilesOf(result).at("report.md"), Not(HasSubstr("a match is")));
  for (int i = 1; i <= 10; ++i) {
    result.add_held_out();
    AddDuel(result, 1, 2, v1::Comparison::OUTCOME_RIGHT);
    v1::SpoDuel& duel = *result.mutable_duels(result.duels_size() - 1);
    duel.set_stage(v1::SpoDuel::STAGE_TOURNAMENT);
    duel.add_questions(fmt::format("h{}", i));
  }
  EXPECT_THAT(
      FilesOf(result).at("report.md"),
      HasSubstr("10 questions are held out, and a match is one question: each counts once"));
  result.mutable_duels(result.duels_size() - 1)->add_questions("h1");
  EXPECT_THAT(FilesOf(result).at("report.md"), HasSubstr("a match is over 1 to 2 of them."));
  for (v1::SpoDuel& duel : *result.mutable_duels()) {
    if (duel.questions_size() == 1) duel.add_questions("h2");
  }
  EXPECT_THAT(FilesOf(result).at("report.md"), HasSubstr("a match is over 2 of them."));
}

// Middles of the circles of a picture, and the points that its curves go through.
std::vector<std::pair<double, double>> NumbersBehind(const std::string& svg, const RE2& pattern) {
  std::vector<std::pair<double, double>> found;
  re2::StringPiece rest(svg);
  std::pair<double, double> point;
  while (RE2::FindAndConsume(&rest, pattern, &point.first, &point.second)) found.push_back(point);
  return found;
}

TEST(SpoReportTest, LinesOfTheLineageGoAroundPrompts) {
  v1::SpoResult result;
  AddPrompt(result, 0, 1, v1::SpoPrompt::FATE_SEED, "p");
  for (int i = 2; i <= 5; ++i) {
    AddPrompt(result, 1, i, v1::SpoPrompt::FATE_ACCEPTED, "a" + std::to_string(i));
    AddPrompt(result, i == 2 ? 1 : 2, i, v1::SpoPrompt::FATE_REJECTED, "r" + std::to_string(i));
    AddPrompt(result, 1, i, v1::SpoPrompt::FATE_REFUSED, "x" + std::to_string(i));
  }
  // Joined after the last round, from the first prompt of it: below two others.
  AddPrompt(result, 11, 5, v1::SpoPrompt::FATE_REFUSED, "join");
  result.set_best(14);
  const std::string svg = LineageSvg(result);
  const auto nodes = NumbersBehind(svg, RE2(R"re(<circle cx="([\d.]+)" cy="([\d.]+)" r="13)re"));
  ASSERT_GE(nodes.size(), 14u);
  int curves = 0;
  re2::StringPiece rest(svg);
  std::string path;
  while (RE2::FindAndConsume(&rest, R"re(<path d="([^"]+)")re", &path)) {
    ++curves;
    // Between the ends, which are prompts, it keeps away from all of them.
    auto points = NumbersBehind(path, RE2(R"re((?:M| )([\d.]+),([\d.]+)(?: C|$))re"));
    ASSERT_GE(points.size(), 2u) << path;
    for (size_t i = 1; i + 1 < points.size(); ++i) {
      for (const auto& [x, y] : nodes) {
        const double distance = std::hypot(points[i].first - x, points[i].second - y);
        EXPECT_GE(distance, 17) << path << " at prompt " << x << " " << y;
      }
    }
    // Nor does a straight piece run through one.
    for (size_t i = 0; i + 1 < points.size(); ++i) {
      for (const auto& [x, y] : nodes) {
        const bool between_x = std::min(points[i].first, points[i + 1].first) < x &&
                               x < std::max(points[i].first, points[i + 1].first);
        const bool between_y = std::min(points[i].second, points[i + 1].second) < y &&
                               y < std::max(points[i].second, points[i + 1].second);
        EXPECT_FALSE(between_x && points[i].second == y && points[i + 1].second == y) << path;
        EXPECT_FALSE(between_y && points[i].first == x && points[i + 1].first == x) << path;
      }
    }
  }
  EXPECT_EQ(curves, 13);
}

TEST(SpoReportTest, StaysReadableHoweverLongTheSearchWas) {
  v1::SpoResult result;
  AddPrompt(result, 0, 1, v1::SpoPrompt::FATE_SEED, "p");
  for (int i = 2; i <= 1'000; ++i) {
    const bool accepted = i % 5 == 0;
    AddPrompt(result, accepted ? i - 5 : i - i % 5, 1 + i / 10,
              accepted ? v1::SpoPrompt::FATE_ACCEPTED : v1::SpoPrompt::FATE_REJECTED,
              std::string(2'000, 'a') + std::to_string(i));
    AddDuel(result, 1, i, v1::Comparison::OUTCOME_RIGHT);
    result.add_strengths()->set_name(std::to_string(i));
  }
  result.add_strengths()->set_name("1");
  result.set_best(1'000);
  for (int round = 1; round <= 100; ++round) result.add_rounds()->set_round(round);
  const std::vector<int> order = StrongestFirst(result, 14);
  EXPECT_EQ(order.size(), 14u);
  EXPECT_EQ(order.back(), 1);  // the first prompt is always there
  EXPECT_THAT(order, testing::Contains(1'000));
  size_t total = 0;
  for (const ReportFile& file : MakeSpoReport(result)) total += file.text.size();
  EXPECT_LT(total, 400'000u);
}

TEST(SpoReportTest, OfAStoppedSearchTellsWhatThereIs) {
  v1::SpoResult result;
  result.set_ending(v1::SpoResult::ENDING_STOPPED);
  EXPECT_THAT(FilesOf(result).at("report.md"), HasSubstr("No prompt was found."));
  AddPrompt(result, 0, 1, v1::SpoPrompt::FATE_SEED, "Answer.");
  result.set_best(1);
  const auto files = FilesOf(result);
  EXPECT_THAT(files.at("report.md"), HasSubstr("a limit was reached"));
  EXPECT_THAT(files.at("report.md"), HasSubstr("no prices are configured"));
  EXPECT_FALSE(files.contains("spo-matrix.svg"));
}

}  // namespace
}  // namespace troupe
