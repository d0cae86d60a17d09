// Contents are found by their hashes while those are put off, and after a crash.
#include "server/store/content_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agents/runtime/journal.h"
#include "server/store/journal_table.h"
#include "server/store/store.h"
#include "tests/server/query_number.h"
#include "tests/support/temp_folder.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

Content ContentOf(const std::string& text) { return {Sha256(text), text}; }

// Five hundred texts that no other batch has.
std::vector<std::string> TextsOf(int batch) {
  std::vector<std::string> texts;
  texts.reserve(500);
  for (int i = 0; i < 500; ++i) texts.push_back(fmt::format("text {} of {}", i, batch));
  return texts;
}

class ContentIndexTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  std::string path() const { return (folder_.path() / "troupe.db").string(); }

  void Open() {
    store_ = nullptr;
    Store::Options options;
    options.path = path();
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  void Insert(const std::string& name) {
    TaskRow row;
    row.name = name;
    const absl::Status written = store_->WriteAndWait(
        [row](Connection& connection) mutable { return InsertTask(connection, row); });
    ASSERT_TRUE(written.ok()) << written;
  }

  // Appends contents to a task as the journal does.
  absl::Status Append(const std::string& task, const std::vector<std::string>& texts) {
    JournalEntry entry;
    entry.task_id = task;
    for (const std::string& text : texts) entry.contents.push_back(ContentOf(text));
    absl::Status appended;
    store_->Append(std::move(entry), [&](absl::Status status) { appended = std::move(status); });
    store_->Drain();
    return appended;
  }

  std::string Read(const std::string& text) {
    const auto read = store_->ReadContent(Sha256(text));
    return read.ok() ? *read : std::string(read.status().message());
  }

  int64_t Number(const std::string& sql) { return QueryNumber(*store_, sql); }

  // Contents that the index does not have, or has under another id.
  int64_t Missing() {
    return Number(
        "SELECT count(*) FROM contents c WHERE NOT EXISTS (SELECT 1 FROM content_hashes WHERE half "
        "= substr(c.hash, 1, 16) AND content = c.id)");
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(ContentIndexTest, FindsAndSharesWhatIsPutOff) {
  Insert("a");
  Insert("b");
  ASSERT_TRUE(Append("a", {"one", "two"}).ok());
  ASSERT_TRUE(Append("b", {"two", "three"}).ok());
  EXPECT_EQ(Read("two"), "two");
  EXPECT_EQ(Read("three"), "three");
  EXPECT_EQ(Number("SELECT count(*) FROM contents"), 3);
  EXPECT_EQ(Number("SELECT uses FROM contents WHERE bytes = CAST('two' AS BLOB)"), 2);
}

TEST_F(ContentIndexTest, AddsWhatWasPutOffWhenTheServerWasKilled) {
  Insert("a");
  ASSERT_TRUE(Append("a", {"one"}).ok());
  Open();  // the writer that goes adds what it put off
  EXPECT_EQ(Missing(), 0);
  // As if it had not come to that.
  const absl::Status lost = store_->WriteAndWait([](Connection& connection) {
    return connection.Execute("DELETE FROM content_hashes; UPDATE content_index SET last = 0");
  });
  ASSERT_TRUE(lost.ok()) << lost;
  Open();
  EXPECT_EQ(Missing(), 0);
  EXPECT_EQ(Read("one"), "one");
  ASSERT_TRUE(Append("a", {"one"}).ok());
  EXPECT_EQ(Number("SELECT count(*) FROM contents"), 1);
}

TEST_F(ContentIndexTest, HasAllOfManyContents) {
  Insert("a");
  for (int batch = 0; batch < 20; ++batch) ASSERT_TRUE(Append("a", TextsOf(batch)).ok());
  // They go into the index with the transactions from some thousands on.
  EXPECT_GT(Number("SELECT count(*) FROM content_hashes"), 500);
  EXPECT_EQ(Read("text 0 of 0"), "text 0 of 0");
  EXPECT_EQ(Read("text 499 of 19"), "text 499 of 19");
  Open();
  EXPECT_EQ(Missing(), 0);
  EXPECT_EQ(Number("SELECT count(*) FROM content_hashes"), 10'000);
}

// Contents go into the index some with each transaction: one that is undone does so again.
TEST_F(ContentIndexTest, GoesOnAfterATransactionThatWasUndone) {
  Insert("a");
  for (int batch = 0; batch < 18; ++batch) ASSERT_TRUE(Append("a", TextsOf(batch)).ok());
  EXPECT_FALSE(Append("nobody", {"bad"}).ok());
  for (int batch = 16; batch < 20; ++batch) ASSERT_TRUE(Append("a", TextsOf(batch)).ok());
  EXPECT_EQ(Number("SELECT count(*) FROM contents"), 10'000);
  Open();
  EXPECT_EQ(Missing(), 0);
  EXPECT_EQ(Number("SELECT count(*) FROM content_hashes"), 10'000);
}

// As any store whose index cannot be written.
TEST_F(ContentIndexTest, AStoreIsUsedWhoseIndexCannotBeRead) {
  Insert("a");
  const absl::Status lost = store_->WriteAndWait(
      [](Connection& connection) { return connection.Execute("DROP TABLE content_hashes"); });
  ASSERT_TRUE(lost.ok()) << lost;
  Open();
  ASSERT_NE(store_, nullptr);
  EXPECT_EQ(Number("SELECT count(*) FROM tasks"), 1);
}

// Ids of contents that were removed are used again: the new ones are not taken for known.
TEST_F(ContentIndexTest, FindsContentsThatTakeTheIdsOfRemovedOnes) {
  Insert("a");
  Insert("b");
  ASSERT_TRUE(Append("a", {"kept"}).ok());
  ASSERT_TRUE(Append("b", {"gone 1", "gone 2"}).ok());
  ASSERT_TRUE(store_->Delete("b").ok());
  EXPECT_EQ(Number("SELECT last FROM content_index"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM content_hashes"), 1);
  ASSERT_TRUE(Append("a", {"new"}).ok());
  EXPECT_EQ(Read("new"), "new");
  EXPECT_NE(Read("gone 1"), "gone 1");
  Open();
  EXPECT_EQ(Missing(), 0);
}

TEST_F(ContentIndexTest, ForgetsWhatWasUndone) {
  Insert("a");
  // The second entry fails, so that all is undone and done again one by one.
  JournalEntry good;
  good.task_id = "a";
  good.contents = {ContentOf("good")};
  JournalEntry bad;
  bad.task_id = "nobody";
  bad.contents = {ContentOf("bad")};
  absl::Status first;
  absl::Status second;
  store_->Append(std::move(good), [&](absl::Status status) { first = std::move(status); });
  store_->Append(std::move(bad), [&](absl::Status status) { second = std::move(status); });
  store_->Drain();
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_FALSE(second.ok());
  ASSERT_TRUE(Append("a", {"bad", "good"}).ok());
  EXPECT_EQ(Read("bad"), "bad");
  EXPECT_EQ(Number("SELECT count(*) FROM contents"), 2);
  Open();
  EXPECT_EQ(Missing(), 0);
}

TEST_F(ContentIndexTest, IsFoundByWhoAppendsAsAPartOfAChange) {
  Insert("a");
  ASSERT_TRUE(Append("a", {"one"}).ok());
  const absl::Status appended = store_->WriteAndWait([this](Connection& connection) {
    JournalEntry entry;
    entry.task_id = "a";
    entry.contents = {ContentOf("one"), ContentOf("two")};
    return store_->AppendWithin(connection, entry);
  });
  ASSERT_TRUE(appended.ok()) << appended;
  EXPECT_EQ(Number("SELECT count(*) FROM contents"), 2);
  ASSERT_TRUE(Append("a", {"two"}).ok());
  EXPECT_EQ(Number("SELECT count(*) FROM contents"), 2);
  Open();
  EXPECT_EQ(Missing(), 0);
}

}  // namespace
}  // namespace troupe
