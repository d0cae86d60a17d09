#include "tools/library/tool_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/safe_file.h"
#include "tools/base/steady_time.h"
#include "tools/builtin/worker_pool.h"
#include "tools/tool_registry.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;

class ToolLibraryTest : public testing::Test {
 protected:
  absl::Status Load(const std::string& path) { return LoadToolLibrary(path, threads_, registry_); }
  absl::StatusOr<ToolResult> Call(const std::string& tool, Json arguments,
                                  absl::Duration time = absl::InfiniteDuration()) {
    ToolCall call;
    call.arguments = std::move(arguments);
    call.context.seed = 9;
    call.context.workspace.root = folder_.path();
    call.context.deadline = SteadyNow() + time;
    return RunToEnd(registry_.Call(tool, std::move(call)));
  }
  TempFolder folder_;
  ToolRegistry registry_;
  std::shared_ptr<WorkerPool> threads_ = std::make_shared<WorkerPool>(2);
};

TEST_F(ToolLibraryTest, ToolsOfASharedObjectAreCalled) {
  ASSERT_TRUE(Load(TROUPE_DICE_LIBRARY).ok());
  EXPECT_EQ((*registry_.Find("die"))->spec().provider, "library:dice_library");
  EXPECT_EQ(Call("die", {{"sides", 6}})->value, 4);
  EXPECT_TRUE(HasReason(Call("die", {{"sides", 0}}).status(), Reason::kToolArgumentsInvalid));
  EXPECT_TRUE(Call("misbehave", {{"do", "tell"}})->is_error);
  EXPECT_THAT(std::string(MessageOf(Call("misbehave", {{"do", "fail"}}).status())),
              HasSubstr("out of order"));
  EXPECT_EQ(Call("misbehave", {{"do", "file"}})->artifacts.size(), 1u);
  EXPECT_EQ(*ReadBeneath(folder_.path() / "artifacts", "made.txt", 100), "made in C");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      Call("misbehave", {{"do", "wait"}}, absl::Milliseconds(50)).status()));
}

TEST_F(ToolLibraryTest, WhatIsNoLibraryIsToldByName) {
  const absl::Status missing = Load("/no/such/library.so");
  EXPECT_TRUE(HasReason(missing, Reason::kInvalidField));
  EXPECT_THAT(std::string(MessageOf(missing)), HasSubstr("/no/such/library.so"));
  const absl::Status other = Load("libz.so.1");
  EXPECT_THAT(std::string(MessageOf(other)), HasSubstr("does not export troupe_tools_v1"));
  ASSERT_TRUE(Load(TROUPE_DICE_LIBRARY).ok());
  EXPECT_TRUE(HasReason(Load(TROUPE_DICE_LIBRARY), Reason::kAlreadyExists));
}

}  // namespace
}  // namespace troupe
