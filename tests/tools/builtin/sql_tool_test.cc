#include "tools/builtin/sql_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <thread>

#include "tests/tools/builtin/tool_bench.h"
#include "tools/base/error.h"
#include "tools/base/steady_time.h"
#include "tools/builtin/sql_session.h"
#include "tools/builtin/worker_pool.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;

constexpr char kEndless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";

class SqlToolTest : public ::testing::Test {
 protected:
  SqlToolTest() {
    auto pool = std::make_shared<WorkerPool>(1);
    EXPECT_TRUE(bench_.registry().Add(std::make_shared<SqlTool>(pool)).ok());
    Execute(
        "CREATE TABLE cell (id INTEGER PRIMARY KEY, type TEXT, score REAL, raw BLOB);"
        "INSERT INTO cell VALUES (1, 'T', 0.5, x'0102'), (2, 'B', NULL, NULL), (3, 'T', 2, NULL)");
  }

  void Execute(const std::string& sql) {
    sqlite3* database = nullptr;
    sqlite3_open((bench_.workspace().inputs() / "cells.db").c_str(), &database);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  ToolResult Ask(const std::string& sql, Json more = Json::object()) {
    if (!more.contains("path")) more["path"] = "inputs/cells.db";
    more["sql"] = sql;
    return bench_.Get("sql_query", std::move(more));
  }

  ToolBench bench_;
};

TEST_F(SqlToolTest, Selects) {
  const ToolResult result = Ask("SELECT * FROM cell ORDER BY id");
  ASSERT_FALSE(result.is_error) << TextOf(result);
  EXPECT_EQ(result.value["columns"], Json({"id", "type", "score", "raw"}));
  EXPECT_EQ(result.value["rows"][0], Json({1, "T", 0.5, "<2 bytes>"}));
  EXPECT_EQ(result.value["rows"][1], Json({2, "B", nullptr, nullptr}));
  EXPECT_EQ(result.value["truncated"], false);
  EXPECT_THAT(TextOf(result), HasSubstr("id\ttype\tscore\traw\n1\tT\t0.5"));
}

TEST_F(SqlToolTest, BindsParameters) {
  const ToolResult result =
      Ask("SELECT count(*) FROM cell WHERE type = ? AND id > ?", {{"parameters", {"T", 1}}});
  EXPECT_EQ(result.value["rows"], Json::parse("[[1]]"));
  EXPECT_THAT(TextOf(Ask("SELECT ?", {{"parameters", Json::array()}})), HasSubstr("1 parameters"));
}

TEST_F(SqlToolTest, ShowsTheSchema) {
  EXPECT_FALSE(Ask("SELECT name, sql FROM sqlite_schema").is_error);
  EXPECT_EQ(Ask("PRAGMA table_info(cell)").value["rows"].size(), 4u);
}

TEST_F(SqlToolTest, OnlyReads) {
  const std::string escape = (bench_.workspace().root / "new.db").string();
  for (const std::string& sql : std::vector<std::string>{
           "INSERT INTO cell VALUES (4, 'NK', 1, NULL)", "DELETE FROM cell", "DROP TABLE cell",
           "UPDATE cell SET type = 'x'", "CREATE TABLE t (x)", "CREATE TEMP TABLE t (x)",
           "ATTACH '" + escape + "' AS other", "VACUUM INTO '" + escape + "'",
           "PRAGMA journal_mode = WAL", "PRAGMA query_only = OFF", "PRAGMA writable_schema = ON",
           "SELECT load_extension('x.so')", "BEGIN IMMEDIATE", "ANALYZE",
           "SELECT 1; DELETE FROM cell", "SELECT * FROM nothing", "not sql", " ; "}) {
    EXPECT_TRUE(Ask(sql).is_error) << sql;
  }
  EXPECT_FALSE(std::filesystem::exists(escape));
  EXPECT_EQ(Ask("SELECT count(*) FROM cell").value["rows"], Json::parse("[[3]]"));
}

TEST_F(SqlToolTest, CutsRowsAndValues) {
  const ToolResult result = Ask(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT i FROM n",
      {{"limit", 10}});
  EXPECT_EQ(result.value["rows"].size(), 10u);
  EXPECT_EQ(result.value["truncated"], true);
  const ToolResult wide = Ask("SELECT printf('%.*c', 100000, 'x')");
  EXPECT_THAT(TextOf(wide), HasSubstr("[90000 more bytes]"));
}

TEST_F(SqlToolTest, StopsARunawayQuery) {
  auto session = SqlSession::Open(bench_.workspace().root, "inputs/cells.db");
  ASSERT_TRUE(session.ok()) << session.status();
  SqlLimits late;
  late.deadline = SteadyNow() + absl::Milliseconds(50);
  EXPECT_TRUE(
      HasReason((*session)->Query(kEndless, Json::array(), late).status(), Reason::kSandboxLimit));
  SqlLimits small;
  small.memory_bytes = 8 * 1024 * 1024;
  const std::string sort =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) "
      "SELECT i, hex(randomblob(100)) AS h FROM n ORDER BY h";
  const absl::Status memory = (*session)->Query(sort, Json::array(), small).status();
  EXPECT_TRUE(HasReason(memory, Reason::kSandboxLimit)) << memory;
  EXPECT_TRUE(Ask("SELECT zeroblob(1000000000)").is_error);
}

TEST_F(SqlToolTest, EndsWhenCancelled) {
  CancelSource source;
  std::thread canceller([&] { source.Cancel(CancelReason::kUser, "asked to stop"); });
  const auto result =
      bench_.Call("sql_query", {{"path", "inputs/cells.db"}, {"sql", kEndless}}, source.token());
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
}

TEST_F(SqlToolTest, RefusesWhatIsNoDatabaseOrOutside) {
  bench_.Write("inputs/a.txt", std::string(5000, 'x'));
  std::filesystem::create_symlink(bench_.workspace().inputs() / "cells.db",
                                  bench_.workspace().states() / "link.db");
  for (const char* path : {"inputs/a.txt", "inputs/none.db", "states/link.db", "../x.db", "inputs",
                           "/etc/passwd", "file:inputs/cells.db"}) {
    EXPECT_TRUE(Ask("SELECT 1 FROM cell", {{"path", path}}).is_error) << path;
  }
}

TEST_F(SqlToolTest, RefusesChangesThatAreNotMerged) {
  bench_.Write("inputs/cells.db-wal", "frames");
  EXPECT_THAT(TextOf(Ask("SELECT 1 FROM cell")), HasSubstr("close the connection"));
}

TEST_F(SqlToolTest, SurvivesADamagedFile) {
  const auto path = bench_.workspace().inputs() / "cells.db";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(4096, '\xff');
  file.close();
  EXPECT_TRUE(Ask("SELECT * FROM cell").is_error);
}

}  // namespace
}  // namespace troupe
