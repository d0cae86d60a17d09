#include "server/services/upload_stream.h"

#include <fmt/format.h>

#include <asio/post.hpp>
#include <chrono>
#include <exception>

#include "server/services/dataset_service.h"
#include "server/services/errors.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxUploads = 8;
constexpr auto kIdleTime = std::chrono::seconds(60);
constexpr size_t kMaxChunk = 1024 * 1024;
constexpr size_t kMaxUploadDescription = 1000;

absl::Status WrongUpload(std::string_view field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what),
               {{"field", std::string(field)}});
}

}  // namespace

grpc::ServerReadReactor<v1::CreateDatasetRequest>* UploadStream::Start(
    DatasetStore* datasets, OpenStreams* streams, ApiThreads* threads, std::atomic<int>* uploads,
    grpc::CallbackServerContext* context, v1::CreateDatasetResponse* response) {
  auto stream = std::shared_ptr<UploadStream>(
      new UploadStream(datasets, streams, threads, uploads, context, response));
  stream->self_ = stream;
  uploads->fetch_add(1);
  stream->GoOn(stream->Begin());
  return stream.get();
}

absl::Status UploadStream::Begin() {
  if (uploads_->load() > kMaxUploads) {
    return Error(Reason::kQueueFull,
                 fmt::format("{} uploads are under way; try later", kMaxUploads),
                 {{"limit", "uploads"}});
  }
  const auto end = [stream = shared_from_this()] {
    stream->Break(Error(Reason::kShuttingDown, "the server closes; upload the data set again"));
  };
  ASSIGN_OR_RETURN(stream_id_, streams_->Add(end));
  return absl::OkStatus();
}

void UploadStream::OnReadDone(bool ok) {
  auto stream = shared_from_this();
  asio::post(threads_->pool(), [stream, ok] {
    try {
      if (ok) {
        stream->GoOn(stream->TakeMessage());
      } else {
        stream->FinishWith(stream->Store());
      }
    } catch (const std::exception&) {
      stream->FinishWith(Error(Reason::kInternal, "the server failed to read the data set"));
    }
  });
}

absl::Status UploadStream::TakeHeader(const v1::DatasetHeader& header) {
  if (parser_ != nullptr) return WrongUpload("header", "is given twice");
  RETURN_IF_ERROR(CheckDatasetId(header.dataset_id(), "header.dataset_id"));
  if (header.description().size() > kMaxUploadDescription) {
    return WrongUpload("header.description", "at most 1,000 bytes");
  }
  SplitRule rule;
  rule.field = header.split_field();
  for (const v1::DatasetShare& share : header.shares()) {
    rule.shares.emplace_back(share.split(), share.share());
  }
  RETURN_IF_ERROR(CheckSplitRule(rule));
  if (header.format() != v1::DATASET_FORMAT_JSONL && header.format() != v1::DATASET_FORMAT_CSV) {
    return WrongUpload("header.format", "give DATASET_FORMAT_JSONL or DATASET_FORMAT_CSV");
  }
  const bool csv = header.format() == v1::DATASET_FORMAT_CSV;
  dataset_id_ = header.dataset_id();
  description_ = header.description();
  parser_ = std::make_unique<DatasetParser>(csv ? DatasetFormat::kCsv : DatasetFormat::kJsonl,
                                            std::move(rule));
  return absl::OkStatus();
}

absl::Status UploadStream::TakeMessage() {
  if (incoming_.has_header()) RETURN_IF_ERROR(TakeHeader(incoming_.header()));
  if (parser_ == nullptr) return WrongUpload("header", "must come first");
  if (incoming_.chunk().size() > kMaxChunk) return WrongUpload("chunk", "at most 1 MiB");
  return parser_->Add(incoming_.chunk());
}

absl::Status UploadStream::Store() {
  {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(broken_);
  }
  // A stream that broke off also ends: what came of it is no data set.
  if (context_->IsCancelled()) return Error(Reason::kCancelled, "the upload was broken off");
  if (parser_ == nullptr) return WrongUpload("header", "must come first");
  ASSIGN_OR_RETURN(ParsedDataset parsed, parser_->Finish());
  ASSIGN_OR_RETURN(const DatasetStore::Added added,
                   datasets_->Add(dataset_id_, description_, std::move(parsed)));
  *response_->mutable_dataset() = DatasetMessage(added.record);
  response_->set_existed(added.existed);
  return absl::OkStatus();
}

void UploadStream::GoOn(const absl::Status& so_far) {
  if (!so_far.ok()) return FinishWith(so_far);
  {
    MutexLock lock(&mutex_);
    timer_.expires_after(kIdleTime);
    timer_.async_wait([weak = weak_from_this()](asio::error_code error) {
      const auto stream = weak.lock();
      if (error || stream == nullptr) return;
      stream->Break(Error(Reason::kDeadlineExceeded, "nothing came for a minute"));
    });
  }
  StartRead(&incoming_);
}

void UploadStream::Break(const absl::Status& why) {
  MutexLock lock(&mutex_);
  if (done_) return;
  if (broken_.ok()) broken_ = why;
  context_->TryCancel();  // ends the read that waits
}

void UploadStream::FinishWith(const absl::Status& status) {
  {
    MutexLock lock(&mutex_);
    timer_.cancel();
  }
  Finish(GrpcStatus(status));
}

void UploadStream::OnDone() {
  {
    MutexLock lock(&mutex_);
    done_ = true;
    timer_.cancel();
  }
  if (stream_id_.has_value()) streams_->Remove(*stream_id_);
  uploads_->fetch_sub(1);
  self_.reset();
}

}  // namespace troupe
