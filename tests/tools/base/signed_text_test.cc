#include "tools/base/signed_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace troupe {
namespace {

TEST(SignedTextTest, NothingHasNoSign) {
  EXPECT_EQ(SignedText(1.5, 2), "+1.50");
  EXPECT_EQ(SignedText(-0.25, 2), "-0.25");
  EXPECT_EQ(SignedText(-0.004, 2), "0.00");
  EXPECT_EQ(SignedText(0.004, 2), "0.00");
  EXPECT_EQ(SignedText(-0.0, 3), "0.000");
  EXPECT_EQ(SignedText(-0.0006, 3), "-0.001");
  EXPECT_EQ(SignedText(-100, 1), "-100.0");
  EXPECT_EQ(SignedText(-std::numeric_limits<double>::infinity(), 2), "-inf");
}

}  // namespace
}  // namespace troupe
