// ChunkStream: sends a file or a text in pieces. It lives until gRPC is done with it.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>

#include "server/services/errors.h"

namespace troupe {

inline constexpr size_t kChunkBytes = 256 * 1024;

// `next` fills the next piece, at most kChunkBytes, and leaves it empty at the end; it runs on the
// API's threads, one call at a time.
template <typename Message>
class ChunkStream : public grpc::ServerWriteReactor<Message> {
 public:
  using Next = std::function<absl::Status(std::string* chunk)>;

  static grpc::ServerWriteReactor<Message>* Start(asio::thread_pool& threads, Next next) {
    auto* stream = new ChunkStream(threads, std::move(next));  // deletes itself in OnDone
    stream->Pump();
    return stream;
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Pump();
    } else {
      this->Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }

 private:
  ChunkStream(asio::thread_pool& threads, Next next) : threads_(threads), next_(std::move(next)) {}

  void Pump() {
    asio::post(threads_, [this] {
      std::string chunk;
      const absl::Status read = next_(&chunk);
      if (!read.ok() || chunk.empty()) {
        this->Finish(GrpcStatus(read));
        return;
      }
      message_.set_chunk(std::move(chunk));
      this->StartWrite(&message_);
    });
  }

  asio::thread_pool& threads_;
  Next next_;
  Message message_;
};

// A stream that fails at once.
template <typename Message>
grpc::ServerWriteReactor<Message>* FailedStream(const absl::Status& status) {
  class Failed : public grpc::ServerWriteReactor<Message> {
   public:
    explicit Failed(const absl::Status& status) { this->Finish(GrpcStatus(status)); }
    void OnDone() override { delete this; }
  };
  return new Failed(status);  // deletes itself in OnDone
}

// Yields `text` in pieces.
inline std::function<absl::Status(std::string*)> TextChunks(std::string text) {
  auto rest = std::make_shared<std::pair<std::string, size_t>>(std::move(text), 0);
  return [rest](std::string* chunk) {
    *chunk = rest->first.substr(rest->second, kChunkBytes);
    rest->second += chunk->size();
    return absl::OkStatus();
  };
}

}  // namespace troupe
