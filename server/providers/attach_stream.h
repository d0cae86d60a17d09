// AttachStream: the stream of one provider. It moves messages between gRPC and the hub: one at a
// time in, so that a provider that sends too fast is slowed down by the transport, and a queue out,
// whose size the hub watches.
//
// It lives until gRPC is done with it: the reactor keeps itself alive. Thread-safe.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>

#include "server/providers/provider_hub.h"
#include "server/providers/provider_outlet.h"
#include "tools/base/mutex.h"

namespace troupe {

class AttachStream : public grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>,
                     public ProviderOutlet,
                     public std::enable_shared_from_this<AttachStream> {
 public:
  using Reactor = grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>;
  // Starts a stream that owns itself until OnDone. `hub` outlives it.
  static Reactor* Start(ProviderHub* hub, grpc::CallbackServerContext* context);

  void Send(v1::AttachResponse message) override;
  int64_t waiting_bytes() const override;
  void ReadNext() override;
  void Close(const absl::Status& status) override;
  void Drop() override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  AttachStream(ProviderHub* hub, grpc::CallbackServerContext* context)
      : hub_(hub), context_(context) {}

  // Writes the next message, or ends if that is all.
  void Continue();

  ProviderHub* const hub_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<AttachStream> self_;
  v1::AttachRequest incoming_;  // of the one read under way

  mutable Mutex mutex_;
  std::deque<v1::AttachResponse> outbox_ ABSL_GUARDED_BY(mutex_);
  int64_t outbox_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // nothing can be written any more
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> closing_ ABSL_GUARDED_BY(mutex_);  // with what it ends
};

}  // namespace troupe
