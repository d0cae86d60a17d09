#include "tools/builtin/file_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/tools/builtin/tool_bench.h"
#include "tools/base/error.h"
#include "tools/builtin/worker_pool.h"

namespace troupe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FileToolsTest : public ::testing::Test {
 protected:
  FileToolsTest() {
    auto pool = std::make_shared<WorkerPool>(1);
    EXPECT_TRUE(bench_.registry().Add(std::make_shared<ListFilesTool>(pool)).ok());
    EXPECT_TRUE(bench_.registry().Add(std::make_shared<ReadFileTool>(pool)).ok());
    EXPECT_TRUE(bench_.registry().Add(std::make_shared<WriteFileTool>(pool)).ok());
  }
  ToolBench bench_;
};

TEST_F(FileToolsTest, ListsTheWorkspace) {
  bench_.Write("inputs/b.csv", "x,y\n");
  bench_.Write("inputs/deep/a.txt", "hello");
  bench_.Write("files/own.md", "mine");
  bench_.Write("states/x/temporary", "");
  const ToolResult result = bench_.Get("list_files", Json::object());
  std::vector<std::string> paths;
  for (const Json& file : result.value["files"]) paths.push_back(file["path"]);
  EXPECT_THAT(paths,
              ElementsAre("inputs/b.csv", "inputs/deep", "inputs/deep/a.txt", "files/own.md"));
  EXPECT_EQ(result.value["files"][0]["size"], 4);
  EXPECT_EQ(result.value["truncated"], false);
  const ToolResult flat = bench_.Get("list_files", {{"folder", "inputs/"}, {"recursive", false}});
  EXPECT_EQ(flat.value["files"].size(), 2u);
}

TEST_F(FileToolsTest, ListsAtMostAThousand) {
  for (int i = 0; i < 1100; ++i) bench_.Write("states/many/" + std::to_string(i), "");
  const ToolResult result = bench_.Get("list_files", {{"folder", "states"}});
  EXPECT_EQ(result.value["files"].size(), 1000u);
  EXPECT_EQ(result.value["truncated"], true);
}

TEST_F(FileToolsTest, NeverListsThroughALink) {
  std::filesystem::create_symlink("/etc", bench_.workspace().states() / "etc");
  const ToolResult listed = bench_.Get("list_files", {{"folder", "states"}});
  ASSERT_EQ(listed.value["files"].size(), 1u);
  EXPECT_EQ(listed.value["files"][0]["type"], "link");
  for (const char* folder : {"states/etc", "..", "/etc", "states/../..", "nowhere"}) {
    EXPECT_TRUE(bench_.Get("list_files", {{"folder", folder}}).is_error) << folder;
  }
}

TEST_F(FileToolsTest, ReadsLines) {
  bench_.Write("inputs/a.txt", "one\ntwo\nthree\nfour");
  const ToolResult all = bench_.Get("read_file", {{"path", "inputs/a.txt"}});
  EXPECT_EQ(all.value["text"], "one\ntwo\nthree\nfour");
  EXPECT_EQ(all.value["end"], true);
  EXPECT_EQ(all.value["lines"], 4);
  const ToolResult middle =
      bench_.Get("read_file", {{"path", "inputs/a.txt"}, {"first_line", 2}, {"lines", 2}});
  EXPECT_EQ(middle.value["text"], "two\nthree\n");
  EXPECT_EQ(middle.value["end"], false);
  EXPECT_THAT(TextOf(middle), HasSubstr("more from line 4 on"));
  const ToolResult beyond =
      bench_.Get("read_file", {{"path", "inputs/a.txt"}, {"first_line", 100}});
  EXPECT_EQ(beyond.value["lines"], 0);
  EXPECT_EQ(beyond.value["end"], true);
}

TEST_F(FileToolsTest, BoundsALineWithoutEnd) {
  bench_.Write("inputs/long.txt", std::string(1'000'000, 'x'));
  const ToolResult result = bench_.Get("read_file", {{"path", "inputs/long.txt"}});
  EXPECT_LT(TextOf(result).size(), 300'000u);
  EXPECT_THAT(TextOf(result), HasSubstr("795200 more bytes"));
}

TEST_F(FileToolsTest, ReadsTextThatIsNotUtf8) {
  bench_.Write("inputs/old.txt", "M\xfcller\n");
  const ToolResult result = bench_.Get("read_file", {{"path", "inputs/old.txt"}});
  EXPECT_EQ(result.value["text"], "M\xef\xbf\xbdller\n");
}

TEST_F(FileToolsTest, ShowsPicturesAndRefusesOtherBinaries) {
  const std::string png("\x89PNG\r\n\x1a\n\0\0\0", 11);
  bench_.Write("artifacts/plot.png", png);
  bench_.Write("inputs/cells.h5ad", std::string("\x89HDF\0\0", 6));
  const ToolResult picture = bench_.Get("read_file", {{"path", "artifacts/plot.png"}});
  ASSERT_EQ(picture.content.size(), 1u);
  EXPECT_EQ(std::get<ToolImage>(picture.content[0]).bytes, png);
  const ToolResult binary = bench_.Get("read_file", {{"path", "inputs/cells.h5ad"}});
  EXPECT_TRUE(binary.is_error);
  EXPECT_THAT(TextOf(binary), HasSubstr("read it with code"));
}

TEST_F(FileToolsTest, NeverReadsOutside) {
  std::filesystem::create_symlink("/etc/passwd", bench_.workspace().states() / "p");
  std::filesystem::create_directory_symlink("/etc", bench_.workspace().states() / "etc");
  mkfifo((bench_.workspace().states() / "pipe").c_str(), 0600);
  for (const char* path : {"states/p", "states/etc/passwd", "/etc/passwd", "../../etc/passwd",
                           "inputs/../../x", "states/pipe", "states", "missing.txt"}) {
    const ToolResult result = bench_.Get("read_file", {{"path", path}});
    EXPECT_TRUE(result.is_error) << path;
    EXPECT_THAT(TextOf(result), Not(HasSubstr("root:"))) << path;
  }
}

TEST_F(FileToolsTest, WritesAndReplaces) {
  const ToolResult result =
      bench_.Get("write_file", {{"path", "files/notes/a.md"}, {"text", "# Hi\n"}});
  ASSERT_FALSE(result.is_error) << TextOf(result);
  EXPECT_EQ(result.value["size"], 5);
  EXPECT_EQ(bench_.Get("read_file", {{"path", "files/notes/a.md"}}).value["text"], "# Hi\n");
  bench_.Get("write_file", {{"path", "files/notes/a.md"}, {"text", "x"}});
  EXPECT_EQ(bench_.Get("read_file", {{"path", "files/notes/a.md"}}).value["text"], "x");
}

TEST_F(FileToolsTest, WritesAgainWhatAForkDoesNotHave) {
  ToolCall call;
  call.arguments = {{"path", "files/a.md"}, {"text", "as recorded"}};
  call.context.workspace = bench_.workspace();
  ToolResult result;
  const std::shared_ptr<Tool> tool = *bench_.registry().Find("write_file");
  tool->Recall(call, result);
  EXPECT_EQ(bench_.Get("read_file", {{"path", "files/a.md"}}).value["text"], "as recorded");
  // A call that failed wrote nothing.
  call.arguments["path"] = "files/b.md";
  result.is_error = true;
  tool->Recall(call, result);
  EXPECT_TRUE(bench_.Get("read_file", {{"path", "files/b.md"}}).is_error);
}

TEST_F(FileToolsTest, NeverWritesElsewhere) {
  TempFolder outside;
  bench_.Write("inputs/a.txt", "kept");
  bench_.Write("files/own.md", "mine");
  std::filesystem::create_directory_symlink(outside.path(), bench_.workspace().root / "files/out");
  for (const std::string& path :
       {std::string("inputs/a.txt"), std::string("states/x"), (outside.path() / "x").string(),
        std::string("files/"), std::string("files/../x"), std::string("files/out/x"),
        std::string("files/../inputs/a.txt"), std::string("x"), std::string("files/own.md/x")}) {
    EXPECT_TRUE(bench_.Get("write_file", {{"path", path}, {"text", "y"}}).is_error) << path;
  }
  EXPECT_EQ(bench_.Get("read_file", {{"path", "inputs/a.txt"}}).value["text"], "kept");
  EXPECT_TRUE(std::filesystem::is_empty(outside.path()));
}

TEST_F(FileToolsTest, EndsWhenCancelledWhileItWaits) {
  CancelSource source;
  auto pool = std::make_shared<WorkerPool>(1);
  const CancelToken token = source.token();
  std::function<absl::StatusOr<int>()> cancels = [&source]() -> absl::StatusOr<int> {
    source.Cancel(CancelReason::kUser, "asked to stop");
    return 1;
  };
  EXPECT_TRUE(absl::IsCancelled(RunToEnd(pool->Run<int>(cancels, token)).status()));
  EXPECT_TRUE(absl::IsCancelled(RunToEnd(pool->Run<int>(cancels, token)).status()));
}

}  // namespace
}  // namespace troupe
