#include "server/providers/attach_stream.h"

#include <grpcpp/server_context.h>

#include "server/services/errors.h"
#include "tools/base/error.h"

namespace troupe {

AttachStream::Reactor* AttachStream::Start(ProviderHub* hub, grpc::CallbackServerContext* context) {
  auto stream = std::shared_ptr<AttachStream>(new AttachStream(hub, context));
  stream->self_ = stream;
  hub->StreamOpened(stream);
  stream->ReadNext();
  return stream.get();
}

void AttachStream::Send(v1::AttachResponse message) {
  {
    MutexLock lock(&mutex_);
    if (finished_ || broken_ || closing_.has_value()) return;
    outbox_bytes_ += static_cast<int64_t>(message.ByteSizeLong());
    outbox_.push_back(std::move(message));
  }
  Continue();
}

int64_t AttachStream::waiting_bytes() const {
  MutexLock lock(&mutex_);
  return outbox_bytes_;
}

void AttachStream::ReadNext() {
  MutexLock lock(&mutex_);
  if (!finished_) StartRead(&incoming_);
}

void AttachStream::Close(const absl::Status& status) {
  {
    MutexLock lock(&mutex_);
    if (closing_.has_value()) return;
    closing_ = status;
  }
  Continue();
}

void AttachStream::Drop() {
  {
    MutexLock lock(&mutex_);
    broken_ = true;
    if (!closing_.has_value()) {
      closing_ = Error(Reason::kCancelled, "the stream was given up; attach again");
    }
    if (!finished_) context_->TryCancel();
  }
  Continue();
}

void AttachStream::Continue() {
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    if (finished_ || writing_) return;
    if (!broken_ && !outbox_.empty()) {
      writing_ = true;
      StartWrite(&outbox_.front());
      return;
    }
    if (!closing_.has_value()) return;
    finished_ = true;
    status = *closing_;
  }
  Finish(GrpcStatus(status));
}

void AttachStream::OnReadDone(bool ok) {
  auto self = shared_from_this();
  if (ok) {
    hub_->Receive(std::move(self), std::move(incoming_));
  } else {
    hub_->StreamEnded(std::move(self));
  }
}

void AttachStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    outbox_bytes_ -= static_cast<int64_t>(outbox_.front().ByteSizeLong());
    outbox_.pop_front();
    if (!ok) broken_ = true;
  }
  Continue();
}

void AttachStream::OnCancel() {
  {
    MutexLock lock(&mutex_);
    broken_ = true;
  }
  hub_->StreamEnded(shared_from_this());
}

void AttachStream::OnDone() {
  // The hub lets go of it last, on its own thread: destroying this in its own method is too early.
  hub_->StreamEnded(std::move(self_));
}

}  // namespace troupe
