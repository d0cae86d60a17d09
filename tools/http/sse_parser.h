// SseParser: server-sent events out of the pieces of a stream. Thread-confined.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace troupe {

struct SseEvent {
  std::string name;  // "message" if the server names none
  std::string data;  // lines joined by newlines
  std::string id;    // the last one that the stream gave
};

class SseParser {
 public:
  explicit SseParser(std::function<void(const SseEvent&)> on_event)
      : on_event_(std::move(on_event)) {}

  // Takes the next bytes, cut anywhere. RESOURCE_EXHAUSTED if one event is over 16 MiB.
  absl::Status Feed(std::string_view bytes);

  // The id of the last event that had one, with which a stream is taken up again; "": none.
  const std::string& last_id() const { return last_id_; }
  // How long the stream asks to wait before that, in milliseconds; negative: it does not say.
  int64_t retry_milliseconds() const { return retry_milliseconds_; }

 private:
  void TakeLine(std::string_view line);

  std::function<void(const SseEvent&)> on_event_;
  std::string line_;
  bool after_carriage_return_ = false;
  bool at_start_ = true;
  bool has_data_ = false;
  SseEvent event_;
  std::string last_id_;
  std::string new_id_;
  int64_t retry_milliseconds_ = -1;
};

}  // namespace troupe
