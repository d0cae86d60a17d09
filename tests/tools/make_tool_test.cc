#include "tools/make_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_async.h"
#include "tools/base/error.h"
#include "tools/tool_registry.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;

struct Point {
  double x = 0;
  double y = 0;
  static void Describe(Described<Point>& d) {
    d.Field("x", &Point::x, "To the right");
    d.Field("y", &Point::y, "Up");
  }
};

struct Way {
  std::vector<Point> points;
  std::optional<int64_t> times;
  std::string unit = "m";
  std::map<std::string, bool> marks;
  static void Describe(Described<Way>& d) {
    d.Field("points", &Way::points, "Where it leads");
    d.Field("times", &Way::times, "How often it is gone").Between(1, 10);
    d.Field("unit", &Way::unit, "Of lengths").OneOf({"m", "km"}).Optional();
    d.Field("marks", &Way::marks, "Anything").Optional();
  }
};

absl::StatusOr<Json> Length(const Way& way, const ToolContext&) {
  if (way.points.size() < 2) return Error(Reason::kToolFailed, "a way has two points at least");
  double length = 0;
  for (size_t i = 1; i < way.points.size(); ++i) {
    length += way.points[i].x - way.points[i - 1].x;
  }
  return Json{{"length", length * static_cast<double>(way.times.value_or(1))}, {"unit", way.unit}};
}

absl::StatusOr<ToolResult> Call(const ToolRegistry& registry, const std::string& tool,
                                Json arguments) {
  ToolCall call;
  call.arguments = std::move(arguments);
  return RunToEnd(registry.Call(tool, std::move(call)));
}

TEST(MakeToolTest, AFunctionWithADescribedStructIsATool) {
  ToolRegistry registry;
  ASSERT_TRUE(registry
                  .Add(MakeTool<Way>({.name = "length",
                                      .version = "1",
                                      .description = "How long a way is.\nMeasured to the right."},
                                     Length))
                  .ok());
  EXPECT_EQ((*registry.Find("length"))->spec().brief, "How long a way is.");
  const Json way = Json::parse(R"({"points": [{"x": 1, "y": 0}, {"x": 3.5, "y": 1}], "times": 2})");
  EXPECT_EQ(Call(registry, "length", way)->value, Json::parse(R"({"length": 5.0, "unit": "m"})"));
  const auto wrong = Call(registry, "length", {{"points", {{{"x", 1}}}}, {"unit", "mile"}});
  EXPECT_TRUE(HasReason(wrong.status(), Reason::kToolArgumentsInvalid));
  EXPECT_THAT(std::string(MessageOf(wrong.status())), HasSubstr("$.points[0]"));
  EXPECT_TRUE(HasReason(Call(registry, "length", {{"points", Json::array()}}).status(),
                        Reason::kToolFailed));
}

TEST(MakeToolTest, TextsAndCoroutinesServeAsWell) {
  ToolRegistry registry;
  const auto text = [](const Point& point, const ToolContext&) {
    return std::string("at ") + std::to_string(static_cast<int>(point.x));
  };
  const auto later = [](Point point, ToolContext) -> Async<ToolResult> {
    ToolResult result;
    result.value = point.y;
    co_return result;
  };
  ASSERT_TRUE(registry.Add(MakeTool<Point>({.name = "text"}, text)).ok());
  ASSERT_TRUE(registry.Add(MakeTool<Point>({.name = "later"}, later)).ok());
  EXPECT_EQ(Call(registry, "text", {{"x", 3}, {"y", 4}})->value, "at 3");
  EXPECT_EQ(Call(registry, "later", {{"x", 3}, {"y", 4}})->value, 4);
}

}  // namespace
}  // namespace troupe
