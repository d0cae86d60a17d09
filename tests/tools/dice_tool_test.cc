#include "tests/tools/dice_tool.h"

#include <gtest/gtest.h>

#include "tests/support/run_async.h"
#include "tools/base/error.h"
#include "tools/tool_registry.h"

namespace troupe {
namespace {

TEST(DiceToolTest, TheExampleOfTheReadmeWorks) {
  ToolRegistry registry;
  ASSERT_TRUE(registry.Add(std::make_shared<DiceTool>()).ok());
  ToolCall call;
  call.arguments = {{"dice", 3}, {"seed", 7}};
  const auto result = RunToEnd(registry.Call("dice", call));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->value["eyes"].size(), 3u);
  call.arguments["dice"] = 11;
  EXPECT_TRUE(
      HasReason(RunToEnd(registry.Call("dice", call)).status(), Reason::kToolArgumentsInvalid));
}

}  // namespace
}  // namespace troupe
