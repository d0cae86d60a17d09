#include "tools/base/error.h"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(ErrorTest, TableHasEveryReasonInOrder) {
  int index = 0;
  for (const ReasonInfo& info : AllReasons()) {
    EXPECT_EQ(static_cast<int>(info.reason), index++) << info.name;
    EXPECT_LE(info.name.size(), 63u);
    EXPECT_NE(info.code, absl::StatusCode::kOk);
  }
  EXPECT_EQ(index, static_cast<int>(Reason::kInternal) + 1);
}

TEST(ErrorTest, SurvivesTextAndAnnotation) {
  const absl::Status error = Error(Reason::kNotFound, "no task \xff here", {{"name", "tasks/x"}});
  const absl::Status again = StatusFromText(StatusToText(Annotate(error, "GetTask")));
  EXPECT_EQ(again.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(again), Reason::kNotFound);
  EXPECT_EQ(MetadataOf(again).at("name"), "tasks/x");
  EXPECT_NE(MessageOf(again).find("GetTask: no task"), std::string_view::npos);
}

TEST(ErrorTest, ForeignStatusHasNoReason) {
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), std::nullopt);
  EXPECT_FALSE(StatusFromText("nonsense").ok());
}

}  // namespace
}  // namespace troupe
