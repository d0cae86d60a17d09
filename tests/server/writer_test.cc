// When the store's writer writes.
#include "server/store/writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "tests/support/temp_folder.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr absl::Duration kLong = absl::Hours(1);

class WriterTest : public testing::Test {
 protected:
  void Start(StoreWriter::Options options) {
    auto connection =
        Connection::Open((folder_.path() / "test.db").string(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(connection.ok()) << connection.status();
    (*connection)->SetBusyTimeout(absl::Milliseconds(10));
    writer_ = std::make_unique<StoreWriter>(*std::move(connection), options);
  }

  // A change that may wait; the result is set when it is durable.
  std::future<absl::Status> SubmitPatiently() {
    auto promise = std::make_shared<std::promise<absl::Status>>();
    auto written = promise->get_future();
    writer_->Submit([](Connection&) { return absl::OkStatus(); },
                    [promise](absl::Status status) { promise->set_value(std::move(status)); },
                    /*may_wait=*/true);
    return written;
  }

  static bool IsDone(std::future<absl::Status>& written, absl::Duration within) {
    return written.wait_for(absl::ToChronoNanoseconds(within)) == std::future_status::ready &&
           written.get().ok();
  }

  TempFolder folder_;
  std::unique_ptr<StoreWriter> writer_;
};

TEST_F(WriterTest, WhatMayWaitGoesWithWhatIsWaitedFor) {
  Start({.max_delay = kLong});
  auto patient = SubmitPatiently();
  EXPECT_FALSE(IsDone(patient, absl::Milliseconds(50)));
  EXPECT_TRUE(writer_->SubmitAndWait([](Connection&) { return absl::OkStatus(); }).ok());
  // The callbacks come in order.
  EXPECT_TRUE(IsDone(patient, absl::ZeroDuration()));
}

TEST_F(WriterTest, WhatMayWaitIsWrittenAloneBeforeLong) {
  Start({.max_delay = absl::Milliseconds(1)});
  for (int i = 0; i < 3; ++i) {
    auto patient = SubmitPatiently();
    EXPECT_TRUE(IsDone(patient, absl::Seconds(20)));
  }
}

TEST_F(WriterTest, AFullBatchOfWhatMayWaitIsWritten) {
  Start({.max_batch = 2, .max_delay = kLong});
  auto first = SubmitPatiently();
  auto second = SubmitPatiently();
  EXPECT_TRUE(IsDone(first, absl::Seconds(20)));
  EXPECT_TRUE(IsDone(second, absl::Seconds(20)));
}

TEST_F(WriterTest, WhoWaitsWritesWhereNobodyElseDoes) {
  Start({.max_delay = kLong});
  auto patient = SubmitPatiently();
  std::thread::id applied_by;
  bool done = false;
  writer_->SubmitHere(
      [&](Connection&) {
        applied_by = std::this_thread::get_id();
        return absl::OkStatus();
      },
      [&](const absl::Status& written) { done = written.ok(); });
  EXPECT_TRUE(done);
  EXPECT_EQ(applied_by, std::this_thread::get_id());
  EXPECT_TRUE(IsDone(patient, absl::ZeroDuration()));
  writer_->Drain();
}

TEST_F(WriterTest, WhatCannotBeWrittenHereIsTriedOn) {
  Start({.give_up = kLong, .max_delay = kLong});
  // Another process writes.
  auto other =
      Connection::Open((folder_.path() / "test.db").string(), Connection::Mode::kReadWrite);
  ASSERT_TRUE((*other)->Execute("CREATE TABLE t (x); BEGIN IMMEDIATE").ok());
  std::promise<absl::Status> promise;
  auto written = promise.get_future();
  writer_->SubmitHere(
      [](Connection& connection) { return connection.Run("INSERT INTO t VALUES (1)"); },
      [&](absl::Status status) { promise.set_value(std::move(status)); });
  EXPECT_FALSE(IsDone(written, absl::ZeroDuration()));
  ASSERT_TRUE((*other)->Execute("COMMIT").ok());
  EXPECT_TRUE(IsDone(written, absl::Seconds(20)));
}

TEST_F(WriterTest, ManyWhoWaitAreAllServedInOrder) {
  Start({});
  constexpr int kEach = 200;
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::atomic<int> last = -1;  // of this thread's, in the order of its calls
      for (int i = 0; i < kEach; ++i) {
        writer_->SubmitHere([](Connection&) { return absl::OkStatus(); },
                            [&, i](const absl::Status&) {
                              EXPECT_EQ(last.exchange(i), i - 1);
                              ++served;
                            });
      }
      writer_->Drain();
      EXPECT_EQ(last, kEach - 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 4 * kEach);
}

TEST_F(WriterTest, WhoDrainsAndWhoEndsTheWriterDoNotWait) {
  Start({.max_delay = kLong});
  auto drained = SubmitPatiently();
  writer_->Drain();
  EXPECT_TRUE(IsDone(drained, absl::ZeroDuration()));
  auto last = SubmitPatiently();
  writer_.reset();
  EXPECT_TRUE(IsDone(last, absl::ZeroDuration()));
}

}  // namespace
}  // namespace troupe
