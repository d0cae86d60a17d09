#include "tools/http/sse_parser.h"

#include <absl/strings/numbers.h>

namespace troupe {
namespace {

constexpr size_t kMaxEventBytes = 16 * 1024 * 1024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

absl::Status SseParser::Feed(std::string_view bytes) {
  for (char c : bytes) {
    // A line ends with \r, \n or \r\n.
    const bool second_half = after_carriage_return_ && c == '\n';
    after_carriage_return_ = c == '\r';
    if (second_half) continue;
    if (c == '\r' || c == '\n') {
      TakeLine(line_);
      line_.clear();
      continue;
    }
    line_.push_back(c);
    if (line_.size() + event_.data.size() > kMaxEventBytes) {
      return absl::ResourceExhaustedError("one event of the stream is over 16 MiB");
    }
  }
  return absl::OkStatus();
}

void SseParser::TakeLine(std::string_view line) {
  if (at_start_ && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  at_start_ = false;
  if (line.empty()) {
    last_id_ = new_id_;
    if (has_data_) {
      if (event_.name.empty()) event_.name = "message";
      event_.id = last_id_;
      on_event_(event_);
    }
    event_ = SseEvent();
    has_data_ = false;
    return;
  }
  if (line.front() == ':') return;  // a comment, sent to keep the stream alive
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") {
    event_.name = std::string(value);
  } else if (field == "data") {
    if (has_data_) event_.data.push_back('\n');
    event_.data.append(value);
    has_data_ = true;
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) new_id_ = std::string(value);
  } else if (field == "retry") {
    int64_t milliseconds = 0;
    if (absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &milliseconds) &&
        milliseconds >= 0) {
      retry_milliseconds_ = milliseconds;
    }
  }
}

}  // namespace troupe
