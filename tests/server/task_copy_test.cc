#include "server/scheduler/task_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace troupe {
namespace {

using testing::ElementsAre;

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

// Two branches side by side, a before b in the order of paths:
//
//   sequence  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16
//   (task)    |------------------------------------------- 16
//   a            |-----------------------------------15
//   a/1                |-------- 7
//   a/2                            8 ------------ 13
//   b               |------------------------- 12
//   b/1                   |- 6
//   b/2                                 9 10
//   after                                               14 (open)
std::vector<SpanRecord> TwoBranches() {
  std::vector<SpanRecord> spans;
  const auto add = [&](const char* path, SpanKind kind, int64_t begin, int64_t end) {
    SpanRecord span;
    span.path = path;
    span.kind = kind;
    span.state = end == 0 ? SpanState::kRunning : SpanState::kOk;
    span.begin_sequence = begin;
    span.end_sequence = end;
    span.begin_time = kStart + absl::Seconds(begin);
    span.end_time = kStart + absl::Seconds(end);
    spans.push_back(span);
  };
  add("", SpanKind::kSpan, 1, 16);
  add("a", SpanKind::kSpan, 2, 15);
  add("b", SpanKind::kSpan, 3, 12);
  add("a/1", SpanKind::kModelCall, 4, 7);
  add("b/1", SpanKind::kModelCall, 5, 6);
  add("a/2", SpanKind::kToolCall, 8, 13);
  add("b/2", SpanKind::kModelCall, 9, 10);
  add("after", SpanKind::kToolCall, 14, 0);
  return spans;
}

std::vector<std::string> Paths(const TaskCopy& copy, bool ended) {
  std::vector<std::string> paths;
  for (const SpanRecord& span : copy.spans) {
    if ((span.end_sequence != 0) == ended) paths.push_back(span.path);
  }
  return paths;
}

TaskCopy Before(int64_t at) { return *CopyBefore("t", TwoBranches(), at, kStart); }

TEST(TaskCopyTest, KeepsWhatHadEndedOfEveryBranch) {
  // At a/2, the other branch had finished its first call.
  EXPECT_THAT(Paths(Before(8), true), ElementsAre("a/1", "b/1"));
  EXPECT_THAT(Paths(Before(8), false), ElementsAre("", "a", "b"));
  // At b/2, a/2 was running: it is done anew.
  EXPECT_THAT(Paths(Before(9), true), ElementsAre("a/1", "b/1"));
  // At the beginning of branch b, nothing had ended, and b itself had not begun.
  EXPECT_THAT(Paths(Before(3), true), ElementsAre());
  EXPECT_THAT(Paths(Before(3), false), ElementsAre("", "a"));
  EXPECT_THAT(Paths(Before(1), false), ElementsAre());
  // An inner span that had ended is kept as it was.
  EXPECT_THAT(Paths(Before(14), true), ElementsAre("b", "a/1", "b/1", "a/2", "b/2"));
}

TEST(TaskCopyTest, AtTheEndKeepsAllThatEndedAndTheTaskGoesOn) {
  EXPECT_THAT(Paths(Before(0), true), ElementsAre("a", "b", "a/1", "b/1", "a/2", "b/2"));
  EXPECT_THAT(Paths(Before(0), false), ElementsAre(""));
}

TEST(TaskCopyTest, WhatWasStoppedIsNotKept) {
  std::vector<SpanRecord> spans = TwoBranches();
  for (SpanRecord& span : spans) {
    if (span.path == "a" || span.path == "a/2") span.state = SpanState::kCancelled;
  }
  const TaskCopy copy = *CopyBefore("t", spans, 0, kStart);
  EXPECT_THAT(Paths(copy, true), ElementsAre("b", "a/1", "b/1", "b/2"));
  EXPECT_THAT(Paths(copy, false), ElementsAre("", "a"));
  EXPECT_THAT(Paths(CopyEffects("t", spans), true), ElementsAre("a/1", "b/1", "b/2"));
}

TEST(TaskCopyTest, NumbersDenselyInTheOrderOfEvents) {
  const TaskCopy copy = Before(14);
  std::set<int64_t> sequences;
  for (const SpanRecord& span : copy.spans) {
    sequences.insert(span.begin_sequence);
    if (span.end_sequence != 0) sequences.insert(span.end_sequence);
  }
  EXPECT_EQ(copy.last_sequence, 12);
  EXPECT_EQ(sequences.size(), 12U);
  EXPECT_EQ(*sequences.begin(), 1);
  EXPECT_EQ(*sequences.rbegin(), 12);
}

TEST(TaskCopyTest, AnOpenSpanBeganAsLongBeforeTheForkAsItHadRun) {
  const absl::Time now = kStart + absl::Hours(5);
  const TaskCopy copy = *CopyBefore("t", TwoBranches(), 8, now);
  EXPECT_EQ(copy.spans[0].path, "");
  EXPECT_EQ(copy.spans[0].begin_time, now - absl::Seconds(7));
}

TEST(TaskCopyTest, MarksWhatIsInherited) {
  const TaskCopy copy = Before(8);
  for (const SpanRecord& span : copy.spans) {
    EXPECT_EQ(span.attributes.contains(kInheritedFrom), span.end_sequence != 0) << span.path;
  }
  EXPECT_EQ(copy.spans[3].attributes[kInheritedFrom], "tasks/t/spans/4");
  EXPECT_FALSE(CopyEffects("t", TwoBranches()).spans[0].attributes.contains(kInheritedFrom));
}

TEST(TaskCopyTest, AReplacedResultComesAfterAllThatIsKept) {
  ToolRegistry tools;
  const ReplacementRules rules{&tools, nullptr, kStart};
  for (const int64_t at : {8, 14}) {  // one that ended, one that did not
    TaskCopy copy = Before(at);
    v1::ForkTaskRequest request;
    request.set_value_json("7");
    ASSERT_TRUE(AddReplaced(copy, TwoBranches(), at, request, rules).ok());
    const SpanRecord& replaced = copy.spans.back();
    EXPECT_EQ(replaced.begin_sequence, copy.last_sequence - 1);
    EXPECT_EQ(replaced.end_sequence, copy.last_sequence);
    EXPECT_EQ(replaced.state, SpanState::kOk);
    EXPECT_EQ(replaced.attributes[kReplaced], true);
  }
}

TEST(TaskCopyTest, ThereMustBeTheSpan) {
  EXPECT_EQ(ReasonOf(CopyBefore("t", TwoBranches(), 99, kStart).status()), Reason::kNotFound);
}

}  // namespace
}  // namespace troupe
