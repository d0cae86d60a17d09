// ProviderOutlet: where messages to one provider go, and what holds up its own while they are dealt
// with. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

#include "troupe/v1/attach.pb.h"

namespace troupe {

class ProviderOutlet {
 public:
  virtual ~ProviderOutlet() = default;

  // Never blocks; in order.
  virtual void Send(v1::AttachResponse message) = 0;
  // Bytes that the provider did not take yet.
  virtual int64_t waiting_bytes() const = 0;
  // The provider's message was dealt with: the next one may come.
  virtual void ReadNext() = 0;
  // Ends the stream once what was sent has gone out.
  virtual void Close(const absl::Status& status) = 0;
  // Ends the stream at once: the other side is gone or stuck.
  virtual void Drop() = 0;
};

}  // namespace troupe
