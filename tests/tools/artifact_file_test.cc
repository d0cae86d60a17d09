#include "tools/artifact_file.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/safe_file.h"

namespace troupe {
namespace {

TEST(ArtifactFileTest, KeepsWhatANameStoodForBefore) {
  TempFolder folder;
  const Workspace workspace{folder.path()};
  const auto first = PutArtifact(workspace, "report.md", "The report", "first");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->media_type, "text/markdown");
  EXPECT_EQ(first->size_bytes, 5);
  ASSERT_TRUE(PutArtifact(workspace, "report.md", "", "second").ok());
  ASSERT_TRUE(PutArtifact(workspace, "report.md", "", "second").ok());  // an interrupted call again
  EXPECT_EQ(*ReadBeneath(workspace.artifacts(), "report.md", 100), "second");
  EXPECT_EQ(*ReadArtifactVersion(workspace, "report.md", Sha256Hex("first")), "first");
  EXPECT_EQ(*ReadArtifactVersion(workspace, "report.md", Sha256Hex("second")), "second");
  EXPECT_EQ(ReasonOf(ReadArtifactVersion(workspace, "report.md", Sha256Hex("third")).status()),
            Reason::kNotFound);
}

TEST(ArtifactFileTest, LeavesTheFolderByNoName) {
  TempFolder folder;
  const Workspace workspace{folder.path() / "task"};
  EXPECT_FALSE(PutArtifact(workspace, "../outside", "", "x").ok());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "outside"));
}

}  // namespace
}  // namespace troupe
