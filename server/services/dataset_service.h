// The gRPC face of DatasetStore.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "server/services/api_threads.h"
#include "server/services/page_token.h"
#include "server/services/watch_stream.h"
#include "server/store/dataset_store.h"
#include "troupe/v1/dataset_service.grpc.pb.h"

namespace troupe {

class DatasetServiceImpl : public v1::DatasetService::CallbackService {
 public:
  // kTaskNotTerminal, naming the task, if one that has not ended works with the data set
  // ("datasets/{dataset}").
  using CheckUnusedFn = std::function<absl::Status(const std::string& dataset)>;

  // All outlive the service.
  DatasetServiceImpl(DatasetStore* datasets, CheckUnusedFn check_unused, const PageTokens* tokens,
                     OpenStreams* streams, ApiThreads* threads)
      : datasets_(datasets),
        check_unused_(std::move(check_unused)),
        tokens_(tokens),
        streams_(streams),
        threads_(threads) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerReadReactor<v1::CreateDatasetRequest>* CreateDataset(
      Context* context, v1::CreateDatasetResponse* response) override;
  grpc::ServerUnaryReactor* GetDataset(Context* context, const v1::GetDatasetRequest* request,
                                       v1::GetDatasetResponse* response) override;
  grpc::ServerUnaryReactor* ListDatasets(Context* context, const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* response) override;
  grpc::ServerUnaryReactor* ListDatasetItems(Context* context,
                                             const v1::ListDatasetItemsRequest* request,
                                             v1::ListDatasetItemsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteDataset(Context* context, const v1::DeleteDatasetRequest* request,
                                          v1::DeleteDatasetResponse* response) override;

 private:
  DatasetStore* const datasets_;
  const CheckUnusedFn check_unused_;
  const PageTokens* const tokens_;
  OpenStreams* const streams_;
  ApiThreads* const threads_;
  std::atomic<int> uploads_ = 0;
};

// A record as its message.
v1::Dataset DatasetMessage(const DatasetRecord& record);

}  // namespace troupe
