// SseParser: server-sent events out of the pieces of a stream. Thread-confined.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <string>
#include <string_view>

namespace troupe {

struct SseEvent {
  std::string name;  // "message" if the server names none
  std::string data;  // lines joined by newlines
};

class SseParser {
 public:
  explicit SseParser(std::function<void(const SseEvent&)> on_event)
      : on_event_(std::move(on_event)) {}

  // Takes the next bytes, cut anywhere. RESOURCE_EXHAUSTED if one event is over 16 MiB.
  absl::Status Feed(std::string_view bytes);

 private:
  void TakeLine(std::string_view line);

  std::function<void(const SseEvent&)> on_event_;
  std::string line_;
  bool after_carriage_return_ = false;
  bool at_start_ = true;
  bool has_data_ = false;
  SseEvent event_;
};

}  // namespace troupe
