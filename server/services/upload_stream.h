// UploadStream: one data set that comes in. It owns itself until gRPC is done with it.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <optional>

#include "server/services/api_threads.h"
#include "server/services/watch_stream.h"
#include "server/store/dataset_parser.h"
#include "server/store/dataset_store.h"
#include "tools/base/mutex.h"
#include "troupe/v1/dataset_service.pb.h"

namespace troupe {

class UploadStream : public grpc::ServerReadReactor<v1::CreateDatasetRequest>,
                     public std::enable_shared_from_this<UploadStream> {
 public:
  // `uploads` counts those that are under way. All outlive the stream.
  static grpc::ServerReadReactor<v1::CreateDatasetRequest>* Start(
      DatasetStore* datasets, OpenStreams* streams, ApiThreads* threads, std::atomic<int>* uploads,
      grpc::CallbackServerContext* context, v1::CreateDatasetResponse* response);

  void OnReadDone(bool ok) override;
  void OnDone() override;

 private:
  UploadStream(DatasetStore* datasets, OpenStreams* streams, ApiThreads* threads,
               std::atomic<int>* uploads, grpc::CallbackServerContext* context,
               v1::CreateDatasetResponse* response)
      : datasets_(datasets),
        streams_(streams),
        threads_(threads),
        uploads_(uploads),
        context_(context),
        response_(response),
        timer_(threads->pool()) {}

  absl::Status Begin();
  absl::Status TakeHeader(const v1::DatasetHeader& header);
  absl::Status TakeMessage();
  absl::Status Store();
  // Reads on, if `so_far` is good, else finishes.
  void GoOn(const absl::Status& so_far);
  void Break(const absl::Status& why);
  void FinishWith(const absl::Status& status);

  DatasetStore* const datasets_;
  OpenStreams* const streams_;
  ApiThreads* const threads_;
  std::atomic<int>* const uploads_;
  grpc::CallbackServerContext* const context_;
  v1::CreateDatasetResponse* const response_;
  std::shared_ptr<UploadStream> self_;
  std::optional<uint64_t> stream_id_;
  v1::CreateDatasetRequest incoming_;
  std::string dataset_id_;
  std::string description_;
  std::unique_ptr<DatasetParser> parser_;

  Mutex mutex_;
  asio::steady_timer timer_ ABSL_GUARDED_BY(mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // why nothing more is taken
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace troupe
