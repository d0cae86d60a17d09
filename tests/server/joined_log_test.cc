// What a commit adds to the log goes to the system at once, and is not lost where that fails.
#include "server/store/joined_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "server/store/sqlite.h"
#include "tests/server/query_number.h"
#include "tests/support/temp_folder.h"

namespace troupe {
namespace {

// Writes that this process has asked the system for, ever.
int64_t WritesOfProcess() {
  std::ifstream file("/proc/self/io");
  std::string name;
  int64_t value = 0;
  while (file >> name >> value) {
    if (name == "syscw:") return value;
  }
  return -1;
}

class JoinedLogTest : public testing::Test {
 protected:
  void SetUp() override {
    connection_ = Open(Connection::Mode::kReadWrite);
    Execute("CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)");
  }

  std::unique_ptr<Connection> Open(Connection::Mode mode) {
    auto opened = Connection::Open((folder_.path() / "t.db").string(), mode);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  void Execute(const std::string& sql) {
    const absl::Status done = connection_->Execute(sql);
    EXPECT_TRUE(done.ok()) << done;
  }

  // A statement that adds rows of a page each.
  static std::string Add(int rows) {
    return fmt::format(
        "INSERT INTO t (bytes) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < {}) SELECT randomblob(3000) FROM n;",
        rows);
  }

  // What somebody else sees, who knows nothing of what this connection holds back.
  int64_t RowsSeenByOthers() {
    const auto other = Open(Connection::Mode::kReadOnly);
    return other == nullptr ? -1 : QueryNumber(*other, "SELECT count(*) FROM t");
  }

  TempFolder folder_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(JoinedLogTest, WritesAllPagesOfACommitAtOnce) {
  Execute(Add(50));  // the log has room now
  const int64_t before = WritesOfProcess();
  Execute(Add(20));
  // 64 KiB at a time. SQLite by itself makes 40 and more, sanitizers make a few of their own.
  EXPECT_LE(WritesOfProcess() - before, 10);
  EXPECT_EQ(RowsSeenByOthers(), 70);
}

TEST_F(JoinedLogTest, ReadsBackWhatALongTransactionPutIntoTheLog) {
  // With a small cache pages go to the log, and come back from it, before the commit.
  Execute("PRAGMA cache_size=20");
  Execute("BEGIN; " + Add(2000));
  Execute("UPDATE t SET bytes = zeroblob(2500) WHERE id % 2 = 0");
  EXPECT_EQ(QueryNumber(*connection_, "SELECT sum(length(bytes)) FROM t"), 5'500'000);
  EXPECT_EQ(RowsSeenByOthers(), 0);
  Execute("COMMIT");
  EXPECT_EQ(RowsSeenByOthers(), 2000);
  auto check = connection_->Prepare("PRAGMA integrity_check");
  ASSERT_TRUE(check.ok() && check->Step().ok());
  EXPECT_EQ(check->Text(0), "ok");
}

TEST_F(JoinedLogTest, TellsOfAWriteThatFailsAndMakesItAgain) {
  Execute(Add(10));
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  getrlimit(RLIMIT_FSIZE, &usual);
  const rlimit small{65'536, usual.rlim_max};  // no file may grow beyond that
  setrlimit(RLIMIT_FSIZE, &small);
  const absl::Status failed = connection_->Execute("BEGIN; " + Add(200) + " COMMIT");
  setrlimit(RLIMIT_FSIZE, &usual);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_FALSE(failed.ok());
  connection_->Execute("ROLLBACK").IgnoreError();
  EXPECT_EQ(RowsSeenByOthers(), 10);
  Execute("BEGIN; " + Add(200) + " COMMIT");
  EXPECT_EQ(RowsSeenByOthers(), 210);
  // And the file itself has them, also for who opens it anew.
  connection_ = Open(Connection::Mode::kReadWrite);
  EXPECT_EQ(QueryNumber(*connection_, "SELECT count(*) FROM t"), 210);
}

}  // namespace
}  // namespace troupe
