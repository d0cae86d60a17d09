#include "tools/base/safe_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/support/temp_folder.h"

namespace troupe {
namespace {

// A disk that takes no more than some bytes of a file, while it lives.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallFiles() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(SafeFileTest, NothingIsLeftOfAFileThatCouldNotBeWrittenWhole) {
  const TempFolder folder;
  {
    const SmallFiles small(1000);
    EXPECT_FALSE(WriteBeneath(folder.path(), "a/report.md", std::string(5000, 'x')).ok());
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "a/report.md"));
    EXPECT_TRUE(WriteBeneath(folder.path(), "a/report.md", "short").ok());
  }
  EXPECT_TRUE(WriteBeneath(folder.path(), "a/report.md", std::string(5000, 'x')).ok());
  EXPECT_EQ(ReadBeneath(folder.path(), "a/report.md", 10'000)->size(), 5000U);
}

}  // namespace
}  // namespace troupe
