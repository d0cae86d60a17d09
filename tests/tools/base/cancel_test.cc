#include "tools/base/cancel.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace troupe {
namespace {

TEST(CancelTest, TellsEveryCallbackOnce) {
  CancelSource source;
  int calls = 0;
  auto first = source.token().OnCancel([&] { ++calls; });
  auto second = source.token().OnCancel([&] { ++calls; });
  source.Cancel(CancelReason::kUser, "stop");
  source.Cancel(CancelReason::kDeadline, "too late to matter");
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(source.token().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(MetadataOf(source.token().status())["cancel_reason"], "user");
}

TEST(CancelTest, CallsBackAtOnceWhenAlreadyCancelled) {
  CancelSource source;
  source.Cancel(CancelReason::kDeadline, "time is up");
  bool called = false;
  auto registration = source.token().OnCancel([&] { called = true; });
  EXPECT_TRUE(called);
  EXPECT_EQ(source.token().status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(CancelTest, ReleasedRegistrationIsNotCalled) {
  CancelSource source;
  bool called = false;
  {
    auto registration = source.token().OnCancel([&] { called = true; });
  }
  source.Cancel(CancelReason::kUser, "stop");
  EXPECT_FALSE(called);
}

TEST(CancelTest, ChildFollowsParentButNotTheReverse) {
  CancelSource parent;
  CancelSource child(parent.token());
  CancelSource sibling(parent.token());
  child.Cancel(CancelReason::kAbandoned, "not needed");
  EXPECT_FALSE(parent.token().cancelled());
  parent.Cancel(CancelReason::kShutdown, "closing");
  EXPECT_TRUE(sibling.token().cancelled());
  EXPECT_EQ(MetadataOf(sibling.token().status())["cancel_reason"], "shutdown");
  EXPECT_EQ(MetadataOf(child.token().status())["cancel_reason"], "abandoned");
}

TEST(CancelTest, EmptyTokenIsNeverCancelled) {
  CancelToken token;
  EXPECT_FALSE(token.cancelled());
  EXPECT_TRUE(token.status().ok());
}

}  // namespace
}  // namespace troupe
