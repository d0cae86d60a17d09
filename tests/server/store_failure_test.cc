// What the store does with what it cannot write, and streams of a server that closes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "server/services/watch_stream.h"
#include "server/store/journal_table.h"
#include "server/store/store.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

class StoreFailureTest : public testing::Test {
 protected:
  StoreFailureTest() {
    Store::Options options;
    options.path = (folder_.path() / "test.db").string();
    options.writer.give_up = absl::Milliseconds(50);
    store_ = *Store::Open(std::move(options));
    TaskRow row;
    row.name = "t";
    row.create_time = row.update_time = absl::Now();
    EXPECT_TRUE(store_
                    ->WriteAndWait([row](Connection& connection) mutable {
                      return InsertTask(connection, row);
                    })
                    .ok());
  }

  static JournalEntry Progress(int64_t sequence, std::shared_ptr<EntryChain> chain) {
    JournalEntry entry;
    entry.task_id = "t";
    entry.chain = std::move(chain);
    entry.events.push_back({sequence, absl::Now(), EventType::kProgress, "", "line"});
    return entry;
  }

  absl::Status Append(JournalEntry entry) {
    std::promise<absl::Status> promise;
    auto written = promise.get_future();
    store_->Append(std::move(entry), [&](absl::Status status) { promise.set_value(status); });
    return written.get();
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreFailureTest, WhatFollowsARefusedEntryOfItsChainIsRefused) {
  auto chain = std::make_shared<EntryChain>();
  JournalEntry never_began = Progress(1, chain);
  SpanRecord span;
  span.begin_sequence = 7;
  never_began.ended.push_back(span);
  // Queued at once, so that both may come into one batch.
  std::promise<absl::Status> first;
  store_->Append(std::move(never_began), [&](absl::Status status) { first.set_value(status); });
  EXPECT_TRUE(HasReason(Append(Progress(2, chain)), Reason::kStoreFailed));
  EXPECT_TRUE(HasReason(first.get_future().get(), Reason::kStoreFailed));
  EXPECT_EQ(*store_->LastSequence("t"), 0) << "the record has a hole";
  EXPECT_TRUE(Append(Progress(1, std::make_shared<EntryChain>())).ok());
}

TEST_F(StoreFailureTest, AChainBreaksWhenTheStoreGivesUp) {
  auto chain = std::make_shared<EntryChain>();
  {
    auto other =
        *Connection::Open((folder_.path() / "test.db").string(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(other->Execute("BEGIN IMMEDIATE").ok());
    EXPECT_TRUE(HasReason(Append(Progress(1, chain)), Reason::kStoreReadOnly));
    ASSERT_TRUE(other->Execute("ROLLBACK").ok());
  }
  EXPECT_TRUE(HasReason(Append(Progress(2, chain)), Reason::kStoreFailed));
  EXPECT_EQ(*store_->LastSequence("t"), 0);
  EXPECT_TRUE(Append(Progress(1, std::make_shared<EntryChain>())).ok());
}

TEST_F(StoreFailureTest, NothingIsWrittenToAFileThatIsGone) {
  const auto file = folder_.path() / "test.db";
  const auto away = folder_.path() / "away.db";
  std::filesystem::rename(file, away);
  const absl::Status gone = Append(Progress(1, nullptr));
  EXPECT_TRUE(HasReason(gone, Reason::kStoreReadOnly)) << gone;
  EXPECT_THAT(std::string(gone.message()), testing::HasSubstr(file.string()));
  EXPECT_FALSE(store_->healthy());
  std::ofstream(file) << "another";
  EXPECT_TRUE(HasReason(Append(Progress(1, nullptr)), Reason::kStoreReadOnly));
  std::filesystem::rename(away, file);
  EXPECT_TRUE(Append(Progress(1, nullptr)).ok());
  EXPECT_TRUE(store_->healthy());
}

TEST(OpenStreamsTest, AStreamThatOpensWhileTheServerClosesMustEndItself) {
  OpenStreams streams;
  int ended = 0;
  EXPECT_TRUE(streams.Add([&] { ++ended; }).ok());
  streams.EndAll();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(ReasonOf(streams.Add([&] { ++ended; }).status()), Reason::kShuttingDown);
}

TEST(OpenStreamsTest, TooManyAreRefused) {
  OpenStreams streams;
  streams.SetLimit(2);
  const auto nothing = [] {};
  const auto first = streams.Add(nothing);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(streams.Add(nothing).ok());
  EXPECT_EQ(ReasonOf(streams.Add(nothing).status()), Reason::kQueueFull);
  streams.Remove(*first);
  EXPECT_TRUE(streams.Add(nothing).ok());
}

TEST(OpenStreamsTest, WatchesOfOneConnectionLeaveRoomForItsCalls) {
  OpenStreams streams;
  const auto nothing = [] {};
  const auto first = streams.Add(nothing, "ipv4:127.0.0.1:1");
  ASSERT_TRUE(first.ok());
  for (int i = 1; i < kWatchesPerConnection; ++i) {
    ASSERT_TRUE(streams.Add(nothing, "ipv4:127.0.0.1:1").ok());
  }
  const auto refused = streams.Add(nothing, "ipv4:127.0.0.1:1");
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kLimitReached);
  EXPECT_TRUE(streams.Add(nothing, "ipv4:127.0.0.1:2").ok());
  EXPECT_TRUE(streams.Add(nothing).ok());
  streams.Remove(*first);
  EXPECT_TRUE(streams.Add(nothing, "ipv4:127.0.0.1:1").ok());
}

TEST(WatchStreamTest, AHeartbeatDoesNotHideWhatAClientHas) {
  std::deque<v1::WatchTaskResponse> waiting(2);  // two heartbeats
  EXPECT_EQ(SequenceBefore(waiting, 7), 7);
  waiting.emplace_back().set_sequence(6);
  EXPECT_EQ(SequenceBefore(waiting, 7), 5);
  waiting.pop_front();
  waiting.pop_front();
  EXPECT_EQ(SequenceBefore(waiting, 7), 5);
}

}  // namespace
}  // namespace troupe
