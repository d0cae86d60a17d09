// What the store keeps over years: migrations, retention, space that is given back.
#include "server/store/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <set>

#include "server/scheduler/task_manager.h"
#include "server/store/schema.h"
#include "server/store/task_table.h"
#include "server/store/trace_queries.h"
#include "tests/server/query_number.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

class StoreTest : public testing::Test {
 protected:
  std::string path() const { return (folder_.path() / "troupe.db").string(); }

  std::unique_ptr<Store> Open() {
    Store::Options options;
    options.path = path();
    auto store = Store::Open(std::move(options));
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  // A store as a version of the schema had it, filled by `sql`.
  void MakeVersion1(const std::string& sql) { MakeVersion(1, sql); }
  void MakeVersion(int version, const std::string& sql) {
    const auto connection = Connection::Open(path(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(connection.ok()) << connection.status();
    ASSERT_TRUE(MigrateTo(**connection, version).ok());
    const absl::Status filled = (*connection)->Execute(sql);
    ASSERT_TRUE(filled.ok()) << filled;
  }

  // The one number that a query gives.

  static absl::Status Delete(Store& store, const std::string& name) { return store.Delete(name); }

  TempFolder folder_;
};

// Two tasks that share a content, one with a label, spans and an event.
constexpr char kVersion1Data[] = R"sql(
INSERT INTO tasks (id, name, kind, title, state, spec, seed, create_time, update_time, end_time)
  VALUES (1, 'old', 'chat', 'An old task', 5, x'', 7, 1000, 2000, 2000),
         (2, 'other', 'chat', 'Another', 5, x'', 7, 1000, 2000, 2000);
INSERT INTO task_labels VALUES (1, 'team', 'bio');
INSERT INTO contents (id, hash, encoding, size, bytes)
  VALUES (1, zeroblob(32), 0, 5, 'alone'), (2, x'01' || zeroblob(31), 0, 6, 'shared');
INSERT INTO content_uses VALUES (1, 1), (1, 2), (2, 2);
INSERT INTO spans (id, task, begin_sequence, end_sequence, path, kind, type, title, state, begin_time,
                   end_time, model, role, input_tokens, cost_microusd)
  VALUES (11, 1, 1, 4, '', 1, 'chat', 'An old task', 2, 1000, 2000, '', '', 0, 0),
         (12, 1, 2, 3, 'turn:1', 2, 'chat', 'ask', 2, 1100, 1900, 'big', 'assistant', 42, 17);
INSERT INTO events VALUES (1, 5, 2000, 1, '', 'x');
INSERT INTO span_search (rowid, text) VALUES (12, 'the quick brown fox');
INSERT INTO prompt_promotions (prompt, version, time, reason, evidence) VALUES ('p', 1, 1, 'r', 'e');
)sql";

TEST_F(StoreTest, OpensAStoreOfVersion1WithAllThatItHolds) {
  MakeVersion1(kVersion1Data);
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(QueryNumber(*store, "PRAGMA user_version"), SchemaVersion());
  const auto spans = store->LoadSpans("old");
  ASSERT_TRUE(spans.ok()) << spans.status();
  ASSERT_EQ(spans->size(), 2u);
  EXPECT_EQ((*spans)[1].path, "turn:1");
  EXPECT_EQ((*spans)[1].model, "big");
  EXPECT_EQ((*spans)[1].end_sequence, 3);
  EXPECT_EQ((*spans)[1].usage.input_tokens, 42);
  EXPECT_EQ((*spans)[1].usage.cost_microusd, 17);
  const absl::Status read = store->Read([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const TaskRow row, ReadTask(connection, "old"));
    EXPECT_EQ(row.title, "An old task");
    EXPECT_EQ(row.labels.at("team"), "bio");
    ASSIGN_OR_RETURN(const SearchPage page, SearchSpanText(connection, "quick", 0, 0, 10));
    EXPECT_EQ(page.hits.size(), 1u);
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  // Contents are counted from now on: what another task uses outlives one that goes.
  EXPECT_EQ(QueryNumber(*store, "SELECT uses FROM contents WHERE id = 2"), 2);
  EXPECT_TRUE(Delete(*store, "old").ok());
  EXPECT_EQ(QueryNumber(*store, "SELECT count(*) FROM contents"), 1);
  EXPECT_EQ(QueryNumber(*store, "SELECT id FROM contents"), 2);
  EXPECT_TRUE(Delete(*store, "other").ok());
  for (const char* table :
       {"contents", "content_uses", "spans", "span_ends", "span_texts", "task_labels", "tasks"}) {
    EXPECT_EQ(QueryNumber(*store, std::string("SELECT count(*) FROM ") + table), 0) << table;
  }
}

// Of version 7, whose texts went by their spans and whose uses of contents were rows: two tasks
// that share a content, one with a text that leaves out what a content says.
constexpr char kVersion7Data[] = R"sql(
INSERT INTO tasks (id, name, kind, title, state, spec, seed, create_time, update_time, end_time)
  VALUES (1, 'old', 'chat', 'An old task', 5, x'', 7, 1000, 2000, 2000),
         (2, 'other', 'chat', 'Another', 5, x'', 7, 1000, 2000, 2000);
INSERT INTO contents (id, hash, encoding, size, bytes, uses)
  VALUES (1, zeroblob(32), 0, 5, 'alone', 1),
         (2, x'0100000000000000000000000000000000000000000000000000000000000000', 0, 6, 'shared', 2);
INSERT INTO content_uses VALUES (1, 1), (1, 2), (2, 2);
INSERT INTO spans (id, task, begin_sequence, path, kind, type, title, begin_time)
  VALUES (11, 1, 1, '', 1, 'chat', 'An old task', 1000),
         (12, 1, 2, 'turn:1', 2, 'chat', 'ask', 1100), (21, 2, 1, 'turn:1', 2, 'chat', 'ask', 1100);
INSERT INTO span_ends (span, task, end_sequence, end_time, state, model_calls, tool_calls,
  input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_microusd,
  model_microseconds, tool_microseconds, estimated)
  VALUES (12, 1, 3, 1900, 2, 1, 0, 42, 0, 0, 0, 17, 0, 0, 0),
         (21, 2, 2, 1900, 2, 1, 0, 42, 0, 0, 0, 17, 0, 0, 0);
INSERT INTO span_texts VALUES (12, NULL, 0, 'the quick brown fox'), (21, NULL, 0, 'a quick bird');
INSERT INTO span_search (rowid, text) SELECT span, text FROM span_search_source;
)sql";

TEST_F(StoreTest, OpensAStoreOfVersion7AndWritesOn) {
  MakeVersion(7, kVersion7Data);
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto find = [&](const std::string& query) {
    std::vector<int64_t> spans;
    const absl::Status read = store->Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const SearchPage page, SearchSpanText(connection, query, 0, 0, 10));
      for (const SearchHit& hit : page.hits) spans.push_back(hit.span_key);
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return spans;
  };
  EXPECT_EQ(find("quick"), (std::vector<int64_t>{21, 12}));
  // A use of what was there before, and one of its own.
  SpanRecord span;
  span.path = "turn:2";
  span.begin_sequence = 4;
  span.end_sequence = 5;
  span.search_text = "quick again";
  const Hash known = Hash::FromHex("01" + std::string(62, '0'));
  const JournalEntry entry{.task_id = "old",
                           .contents = {{known, "shared"}, {Sha256("new"), "new"}},
                           .begun = {span},
                           .ended = {span}};
  ASSERT_TRUE(
      store->WriteAndWait([&](Connection& connection) { return AppendEntry(connection, entry); })
          .ok());
  EXPECT_EQ(QueryNumber(*store, "SELECT uses FROM contents WHERE id = 2"), 3);
  EXPECT_EQ(find("quick").size(), 3u);
  EXPECT_TRUE(Delete(*store, "old").ok());
  EXPECT_EQ(QueryNumber(*store, "SELECT count(*) FROM contents"), 1);
  EXPECT_EQ(QueryNumber(*store, "SELECT uses FROM contents WHERE id = 2"), 1);
  EXPECT_EQ(find("quick"), (std::vector<int64_t>{21}));
  EXPECT_TRUE(Delete(*store, "other").ok());
  for (const char* table :
       {"contents", "content_uses", "spans", "span_ends", "span_texts", "span_search_docsize"}) {
    EXPECT_EQ(QueryNumber(*store, std::string("SELECT count(*) FROM ") + table), 0) << table;
  }
}

TEST_F(StoreTest, FindsWhatWasJustWritten) {
  MakeVersion(7, kVersion7Data);
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  SpanRecord span;
  span.begin_sequence = 4;
  span.end_sequence = 5;
  span.search_text = "an owl";
  std::promise<absl::Status> promise;
  store->AppendHere({.task_id = "old", .begun = {span}, .ended = {span}},
                    [&](absl::Status status) { promise.set_value(std::move(status)); });
  ASSERT_TRUE(promise.get_future().get().ok());
  ASSERT_TRUE(store->CatchUpIndex().ok());
  EXPECT_EQ(QueryNumber(*store, "SELECT count(*) FROM span_search WHERE span_search MATCH 'owl'"),
            1);
}

TEST_F(StoreTest, IsOpenedTwiceTheSame) {
  MakeVersion1(kVersion1Data);
  Open();
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->LoadSpans("old")->size(), 2u);
}

TEST_F(StoreTest, AMigrationThatFailsLeavesTheStoreAsItWas) {
  MakeVersion1(std::string(kVersion1Data) + "DROP INDEX content_users;");
  Store::Options options;
  options.path = path();
  const auto store = Store::Open(std::move(options));
  EXPECT_NE(MessageOf(store.status()).find("migrating the store to version 2"),
            std::string_view::npos)
      << store.status();
  const auto connection = Connection::Open(path(), Connection::Mode::kReadWrite);
  ASSERT_TRUE(connection.ok());
  auto version =
      (*connection)->Prepare("SELECT (SELECT * FROM pragma_user_version), count(*) FROM spans");
  ASSERT_TRUE(version.ok() && version->Step().ok());
  EXPECT_EQ(version->Int(0), 1);
  EXPECT_EQ(version->Int(1), 2);
}

// The log grows ahead of what is written; whoever finds it after a crash sees what was committed.
TEST_F(StoreTest, ReadsALogWithRoomBehindItsLastCommit) {
  const auto connection = Connection::Open(path(), Connection::Mode::kReadWrite);
  ASSERT_TRUE(connection.ok()) << connection.status();
  ASSERT_TRUE((*connection)->Execute("CREATE TABLE t (filler BLOB)").ok());
  constexpr int kRows = 20;
  for (int i = 0; i < kRows; ++i) {
    ASSERT_TRUE((*connection)->Execute("INSERT INTO t VALUES (randomblob(3000))").ok());
  }
  EXPECT_GT(std::filesystem::file_size(path() + "-wal"), 1u << 20);  // of which a third is used
  const std::string copy = (folder_.path() / "copy.db").string();
  std::filesystem::copy_file(path(), copy);
  std::filesystem::copy_file(path() + "-wal", copy + "-wal");
  const auto found = Connection::Open(copy, Connection::Mode::kReadWrite);
  ASSERT_TRUE(found.ok()) << found.status();
  auto rows = (*found)->Prepare("SELECT count(*), (SELECT * FROM pragma_integrity_check) FROM t");
  ASSERT_TRUE(rows.ok() && rows->Step().ok());
  EXPECT_EQ(rows->Int(0), kRows);
  EXPECT_EQ(rows->Text(1), "ok");
}

TEST_F(StoreTest, PutsItsLogIntoTheFileFromTimeToTime) {
  const auto connection = Connection::Open(path(), Connection::Mode::kReadWrite);
  ASSERT_TRUE(connection.ok()) << connection.status();
  ASSERT_TRUE((*connection)->Execute("CREATE TABLE t (filler BLOB)").ok());
  for (int i = 0; i < 80; ++i) {
    ASSERT_TRUE((*connection)->Execute("INSERT INTO t VALUES (zeroblob(500000))").ok());
  }
  EXPECT_GT(std::filesystem::file_size(path()), 30u << 20);
  EXPECT_LT(std::filesystem::file_size(path() + "-wal"), 24u << 20);
}

TEST_F(StoreTest, RefusesAStoreOfANewerProgram) {
  MakeVersion1("PRAGMA user_version = 99;");
  Store::Options options;
  options.path = path();
  const auto store = Store::Open(std::move(options));
  EXPECT_EQ(ReasonOf(store.status()), Reason::kStoreFailed);
  EXPECT_NE(MessageOf(store.status()).find("version 99"), std::string_view::npos);
}

TEST_F(StoreTest, GivesSpaceBackAfterALargeTask) {
  MakeVersion1(kVersion1Data);
  {
    const auto connection = Connection::Open(path(), Connection::Mode::kReadWrite);
    ASSERT_TRUE((*connection)
                    ->Execute("UPDATE contents SET bytes = randomblob(30000000) WHERE id = 1;"
                              "PRAGMA wal_checkpoint(TRUNCATE);")
                    .ok());
  }
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(Delete(*store, "old").ok());
  const int64_t free = QueryNumber(*store, "PRAGMA freelist_count");
  EXPECT_GT(free, 5000);
  // Some at a time, so that no write waits for long.
  ASSERT_TRUE(store->Vacuum().ok());
  EXPECT_EQ(QueryNumber(*store, "PRAGMA freelist_count"), free - 2000);
  while (QueryNumber(*store, "PRAGMA freelist_count") > 0) ASSERT_TRUE(store->Vacuum().ok());
  EXPECT_LT(QueryNumber(*store, "PRAGMA page_count"), 1000);
}

TEST_F(StoreTest, SweepsTasksWhoseRetentionIsOver) {
  const absl::Time now = absl::FromUnixSeconds(1'000'000'000);
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto insert = [&](const std::string& name, absl::Time end) {
    TaskRow row;
    row.name = name;
    row.create_time = row.update_time = now - absl::Hours(1000);
    row.end_time = end;
    ASSERT_TRUE(store
                    ->WriteAndWait([row](Connection& connection) mutable {
                      return InsertTask(connection, row);
                    })
                    .ok());
    ASSERT_TRUE(
        store
            ->WriteAndWait([row](Connection& connection) -> absl::Status {
              ASSIGN_OR_RETURN(Statement end,
                               connection.Prepare("UPDATE tasks SET end_time = ? WHERE name = ?"));
              const bool ended = row.end_time != absl::InfinitePast();
              end.Bind(ended ? absl::ToUnixMicros(row.end_time) : int64_t{0}).Bind(row.name);
              return end.Run();
            })
            .ok());
    std::filesystem::create_directories(folder_.path() / "tasks" / name / "artifacts");
  };
  for (int i = 0; i < 105; ++i) insert("old-" + std::to_string(i), now - absl::Hours(49));
  insert("young", now - absl::Hours(47));
  insert("unfinished", absl::InfinitePast());

  TaskManagerOptions options;
  options.data_folder = folder_.path();
  options.retention = absl::Hours(48);
  RunServices services;
  services.journal = store.get();
  services.now = [now] { return now; };
  TaskManager manager(std::move(options), std::move(services), store.get(), {});
  EXPECT_EQ(*manager.Sweep(), 100);  // a bounded number at a time
  EXPECT_EQ(*manager.Sweep(), 5);
  EXPECT_EQ(*manager.Sweep(), 0);
  EXPECT_EQ(QueryNumber(*store, "SELECT count(*) FROM tasks"), 2);
  std::set<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "tasks")) {
    folders.insert(entry.path().filename().string());
  }
  EXPECT_EQ(folders, (std::set<std::string>{"young", "unfinished"}));
}

}  // namespace
}  // namespace troupe
