#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/tools/sandbox/kernel_bench.h"
#include "tools/base/error.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SandboxConfig SmallLimits() {
  SandboxConfig config;
  config.preload = {};
  config.memory_mb = 1024;
  config.processes = 20;
  config.workspace_mb = 64;
  config.output_kb = 64;
  config.figures = 3;
  return config;
}

class RKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(SandboxConfig().r_home + "/lib/libR.so")) {
      GTEST_SKIP() << "R is not installed";
    }
  }
  KernelBench bench_{"r", SmallLimits()};
};

TEST_F(RKernelTest, ShowsWhatACellPrintsReturnsAndPlots) {
  const auto result = bench_.Run("a", "", "cat('hello\\n')\n6 * 7\nplot(1:3)\nx <- 1");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->is_error) << KernelBench::Text(*result);
  EXPECT_THAT(KernelBench::Text(*result), HasSubstr("hello\n[1] 42\n"));
  const auto images = KernelBench::Images(*result);
  ASSERT_EQ(images.size(), 1u);
  EXPECT_EQ(images[0].substr(1, 3), "PNG");
}

TEST_F(RKernelTest, KeepsTheOrderOfMessagesAndOutput) {
  const std::string shown =
      bench_.Output("", "cat('a\\n'); message('b'); cat('c\\n'); warning('d')");
  EXPECT_THAT(shown, ::testing::MatchesRegex("a\nb\nc\nWarning.*d\n"));
}

TEST_F(RKernelTest, AlternativesDoNotSeeEachOther) {
  ASSERT_FALSE(bench_.Run("base", "", "x <- 1; writeLines('base', 'note')")->is_error);
  ASSERT_FALSE(bench_.Run("left", "base", "x <- c(x, 2); writeLines('left', 'note')")->is_error);
  ASSERT_FALSE(bench_.Run("right", "base", "x <- c(x, 3)")->is_error);
  EXPECT_EQ(bench_.Output("left", "cat(x, readLines('note'))"), "1 2 left");
  EXPECT_EQ(bench_.Output("right", "cat(x, readLines('note'))"), "1 3 base");
  EXPECT_EQ(bench_.Output("base", "cat(x, readLines('note'))"), "1 base");
}

TEST_F(RKernelTest, ErrorsSayWhereAndLeaveNothingBehind) {
  ASSERT_FALSE(bench_.Run("base", "", "x <- 1\nf <- function(n) stop('no good: ', n)")->is_error);
  const auto failed = bench_.Run("bad", "base", "x <- 2\ng <- function() f(7)\ng()");
  ASSERT_TRUE(failed.ok());
  EXPECT_TRUE(failed->is_error);
  const std::string text = KernelBench::Text(*failed);
  EXPECT_THAT(text, HasSubstr("Error: no good: 7"));
  EXPECT_THAT(text, HasSubstr("at f(7)"));
  EXPECT_THAT(text, HasSubstr("at g()"));
  EXPECT_THAT(text, Not(HasSubstr("troupe")));
  EXPECT_EQ(bench_.Output("base", "cat(x, exists('g'))"), "1 FALSE");
  EXPECT_THAT(bench_.Output("base", "x <- (1 +"), HasSubstr("unexpected end of input"));
}

TEST_F(RKernelTest, RebuildsStateAfterRestart) {
  const ToolCall first = bench_.Cell("one", "", "x <- runif(1); cat(x)");
  const ToolCall second = bench_.Cell("two", "one", "y <- x; writeLines('here', 'made')");
  const auto one = RunToEnd(bench_.tool().Call(first));
  const auto two = RunToEnd(bench_.tool().Call(second));
  ASSERT_TRUE(one.ok() && two.ok());
  bench_.Restart();
  bench_.tool().Recall(first, *one);
  bench_.tool().Recall(second, *two);
  // The same random numbers again.
  EXPECT_EQ(bench_.Output("two", "cat(y)"), KernelBench::Text(*one));
  EXPECT_EQ(bench_.Output("two", "cat(readLines('made'))"), "here");
}

TEST_F(RKernelTest, DrawsOnFromWhereTheParentStopped) {
  const auto first = bench_.Run("one", "", "cat(runif(2))");
  EXPECT_NE(bench_.Output("one", "cat(runif(2))"), KernelBench::Text(*first));
  EXPECT_EQ(bench_.Output("one", "cat(runif(2))"), bench_.Output("one", "cat(runif(2))"));
}

TEST_F(RKernelTest, CrashesAndExitsAreErrorsAndOtherStatesLiveOn) {
  ASSERT_FALSE(bench_.Run("base", "", "x <- 5")->is_error);
  for (const char* code :
       {"quit(status = 3)", "base::quit(status = 3)", "tools::pskill(Sys.getpid(), 9)",
        "f <- function() f(); options(expressions = 500000); f()", "readline('name? ')",
        "repeat x <- c(x, numeric(1e7))"}) {
    const auto crashed = bench_.Run("crash", "base", code);
    ASSERT_TRUE(crashed.ok()) << code << crashed.status();
    EXPECT_TRUE(crashed->is_error) << code;
    EXPECT_EQ(bench_.Output("base", "cat(x)"), "5") << code;
  }
}

TEST_F(RKernelTest, StopsALoopAtItsTime) {
  bench_.context().deadline = SteadyNow() + absl::Seconds(1);
  const auto loop = bench_.Run("loop", "", "cat('before\\n'); while (TRUE) {}");
  ASSERT_TRUE(loop.ok()) << loop.status();
  EXPECT_TRUE(loop->is_error);
  EXPECT_EQ(JsonString(loop->value, "status"), "timeout");
  EXPECT_THAT(KernelBench::Text(*loop), HasSubstr("before"));
}

TEST_F(RKernelTest, CutsHugeOutputAndManyFigures) {
  const auto big = bench_.Run("big", "", "for (i in 1:50) cat(strrep('x', 1e6))");
  ASSERT_TRUE(big.ok());
  EXPECT_FALSE(big->is_error);
  EXPECT_LT(KernelBench::Text(*big).size(), 200 * 1024u);
  EXPECT_THAT(KernelBench::Text(*big), HasSubstr("left out"));
  const auto figures = bench_.Run("figures", "", "for (i in 1:5) plot(i)");
  ASSERT_TRUE(figures.ok());
  EXPECT_EQ(KernelBench::Images(*figures).size(), 3u);
  EXPECT_THAT(KernelBench::Text(*figures), HasSubstr("2 figures are left out"));
}

TEST_F(RKernelTest, SeesItsInputsAndNothingElse) {
  EXPECT_EQ(bench_.Output("", "cat(readLines('inputs/data.txt', warn = FALSE))"), "42");
  EXPECT_EQ(bench_.Output("", "cat(file.exists('/root'), file.exists('/home'))"), "FALSE FALSE");
  EXPECT_THAT(bench_.Output("", "url <- socketConnection(port = 80, timeout = 2)"),
              HasSubstr("cannot open the connection"));
}

TEST_F(RKernelTest, ReadsUnicode) {
  EXPECT_EQ(bench_.Output("", "cat('Grüße', nchar('ü'), '\\n')"), "Grüße 1 \n");
}

TEST(RMissingTest, TheToolSaysSo) {
  SandboxConfig config = SmallLimits();
  config.r_home = "/nowhere/R";
  KernelBench bench("r", config);
  EXPECT_THAT(bench.tool().spec().description, HasSubstr("R is not installed"));
  const auto result = bench.Run("a", "", "1");
  ASSERT_TRUE(HasReason(result.status(), Reason::kSandboxFailed));
  EXPECT_THAT(std::string(MessageOf(result.status())), HasSubstr("r-base-core"));
}

}  // namespace
}  // namespace troupe
