// Following a task over streams that break.
#include "clients/cpp/watch.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace troupe::client {
namespace {

grpc::Status Refusal(const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  (*info.mutable_metadata())["limit"] = "reading";
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::Status status;
  status.add_details()->PackFrom(info);
  status.add_details()->PackFrom(retry);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "no", status.SerializeAsString()};
}

// Its streams break after two events, for the reason given, until there are six.
class BreakingService : public v1::TaskService::Service {
 public:
  explicit BreakingService(std::string reason) : reason_(std::move(reason)) {}

  grpc::Status WatchTask(grpc::ServerContext*, const v1::WatchTaskRequest* request,
                         grpc::ServerWriter<v1::WatchTaskResponse>* writer) override {
    after_.push_back(request->after_sequence());
    for (int64_t sequence = request->after_sequence() + 1; sequence <= 6; ++sequence) {
      if (sequence > request->after_sequence() + 2) return Refusal(reason_);
      v1::WatchTaskResponse event;
      event.set_sequence(sequence);
      event.mutable_state_changed()->set_state(sequence == 6 ? v1::Task::STATE_SUCCEEDED
                                                             : v1::Task::STATE_RUNNING);
      event.set_last(sequence == 6);
      writer->Write(event);
    }
    return grpc::Status::OK;
  }

  const std::vector<int64_t>& after() const { return after_; }

 private:
  const std::string reason_;
  std::vector<int64_t> after_;
};

int WatchIt(BreakingService& service) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  Connection connection("127.0.0.1:" + std::to_string(port));
  WatchSettings settings;
  settings.task = "tasks/t";
  settings.json = true;
  return Watch(connection, settings);
}

TEST(WatchTest, WhoFellBehindGoesOnFromWhereHeWas) {
  BreakingService service("WATCHER_BEHIND");
  EXPECT_EQ(WatchIt(service), kExitOk);
  EXPECT_THAT(service.after(), testing::ElementsAre(0, 2, 4));
}

TEST(WatchTest, WhatIsRefusedIsNotTriedAgain) {
  BreakingService service("LIMIT_REACHED");
  EXPECT_EQ(WatchIt(service), kExitFailed);
  EXPECT_THAT(service.after(), testing::ElementsAre(0));
}

TEST(ErrorFactsTest, TellsTheReasonAndWhenToTryAgain) {
  const ErrorFacts facts = FactsOf(Refusal("QUEUE_FULL"));
  EXPECT_EQ(facts.reason, "QUEUE_FULL");
  EXPECT_EQ(facts.metadata.at("limit"), "reading");
  EXPECT_EQ(facts.retry_seconds, 1.5);
  EXPECT_EQ(FactsOf(grpc::Status(grpc::StatusCode::INTERNAL, "x")).retry_seconds, 0);
}

}  // namespace
}  // namespace troupe::client
