#include "server/services/dataset_service.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "server/services/convert.h"
#include "server/services/unary.h"
#include "server/services/upload_stream.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kPageBytes = 1024 * 1024;

absl::StatusOr<v1::DatasetItem> ItemMessage(const StoredItem& item) {
  v1::DatasetItem message;
  message.set_number(item.number);
  message.set_split(item.split);
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(DumpJson(item.fields), message.mutable_fields());
  if (!parsed.ok()) return Error(Reason::kStoreFailed, "a stored item cannot be read");
  return message;
}

}  // namespace

v1::Dataset DatasetMessage(const DatasetRecord& record) {
  v1::Dataset message;
  message.set_name("datasets/" + record.info.name);
  message.set_digest(record.info.digest);
  message.set_description(record.description);
  message.set_items(record.info.items);
  message.set_size_bytes(record.size_bytes);
  for (const std::string& field : record.info.fields) message.add_fields(field);
  for (const auto& [split, items] : record.info.splits) (*message.mutable_splits())[split] = items;
  *message.mutable_upload_time() = TimestampOf(record.upload_time);
  return message;
}

grpc::ServerReadReactor<v1::CreateDatasetRequest>* DatasetServiceImpl::CreateDataset(
    Context* context, v1::CreateDatasetResponse* response) {
  return UploadStream::Start(datasets_, streams_, threads_, &uploads_, context, response);
}

grpc::ServerUnaryReactor* DatasetServiceImpl::GetDataset(Context* context,
                                                         const v1::GetDatasetRequest* request,
                                                         v1::GetDatasetResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const DatasetRecord record, datasets_->Get(request->name()));
    *response->mutable_dataset() = DatasetMessage(record);
    ASSIGN_OR_RETURN(const std::vector<std::string> versions,
                     datasets_->Versions(record.info.name));
    for (const std::string& digest : versions) response->mutable_dataset()->add_versions(digest);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::ListDatasets(Context* context,
                                                           const v1::ListDatasetsRequest* request,
                                                           v1::ListDatasetsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const int size, PageSize(request->page_size(), 100, 1000));
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), "ListDatasets"));
    ASSIGN_OR_RETURN(const std::vector<DatasetRecord> records,
                     datasets_->List(key.first, size + 1));
    for (size_t i = 0; i < records.size() && i < static_cast<size_t>(size); ++i) {
      *response->add_datasets() = DatasetMessage(records[i]);
    }
    if (records.size() > static_cast<size_t>(size)) {
      const PageKey next = {records[static_cast<size_t>(size) - 1].key, 0};
      response->set_next_page_token(tokens_->Make(next, "ListDatasets"));
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::ListDatasetItems(
    Context* context, const v1::ListDatasetItemsRequest* request,
    v1::ListDatasetItemsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const int size, PageSize(request->page_size(), 50, 500));
    // Without a digest the token is bound to the version that it began with by its items' numbers
    // alone: name the digest to page through a data set that others upload to.
    const std::string arguments =
        fmt::format("ListDatasetItems\n{}\n{}", request->parent(), request->split());
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), arguments));
    const auto found = datasets_->Get(request->parent());
    if (HasReason(found.status(), Reason::kInvalidField)) {
      return Error(Reason::kInvalidField, fmt::format("parent: {}", MessageOf(found.status())),
                   {{"field", "parent"}});
    }
    ASSIGN_OR_RETURN(const DatasetRecord record, found);
    if (!request->split().empty() && !record.info.splits.contains(request->split())) {
      return Error(Reason::kInvalidField,
                   fmt::format("split: there is no split '{}'", request->split()),
                   {{"field", "split"}});
    }
    const auto first = static_cast<int32_t>(key.first + 1);
    ASSIGN_OR_RETURN(const std::vector<StoredItem> items,
                     datasets_->ListItems(record.info, request->split(), first, size, kPageBytes));
    for (const StoredItem& item : items) {
      ASSIGN_OR_RETURN(*response->add_items(), ItemMessage(item));
    }
    if (items.empty() || items.back().number == record.info.items) return absl::OkStatus();
    // One more look, so that a split's last page says that it is the last.
    const int32_t after = items.back().number;
    ASSIGN_OR_RETURN(const std::vector<StoredItem> more,
                     datasets_->ListItems(record.info, request->split(), after + 1, 1, kPageBytes));
    if (!more.empty()) response->set_next_page_token(tokens_->Make({after, 0}, arguments));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatasetServiceImpl::DeleteDataset(Context* context,
                                                            const v1::DeleteDatasetRequest* request,
                                                            v1::DeleteDatasetResponse*) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    const std::string& name = request->name();
    RETURN_IF_ERROR(check_unused_(name.substr(0, name.find('@'))));
    return datasets_->Delete(name);
  });
}

}  // namespace troupe
