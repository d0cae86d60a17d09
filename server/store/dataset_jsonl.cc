// Data sets as JSON Lines.
#include <fmt/format.h>

#include "server/store/dataset_readers.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

class JsonlReader : public DatasetParser::Reader {
 public:
  JsonlReader(const DatasetLimits& limits, TakeItemFn take)
      : max_line_(2 * limits.item_bytes), take_(std::move(take)) {}

  absl::Status Add(std::string_view bytes) override {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      if (line_.size() > max_line_) {
        return WrongData(number_, 0, fmt::format("is over {} bytes long", max_line_));
      }
      if (end == std::string_view::npos) return absl::OkStatus();
      RETURN_IF_ERROR(EndLine());
      bytes.remove_prefix(end + 1);
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override { return EndLine(); }

 private:
  absl::Status EndLine() {
    if (line_.ends_with('\r')) line_.pop_back();
    const int64_t number = number_++;
    std::string line;
    line.swap(line_);
    if (line.find_first_not_of(" \t") == std::string::npos) return absl::OkStatus();
    if (!Json::accept(line)) return WrongData(number, BreakOff(line), "is not JSON");
    // Accepted by the grammar: what is left to go wrong is its depth.
    auto fields = ParseJson(line, "it");
    if (!fields.ok()) return WrongData(number, 0, MessageOf(fields.status()));
    if (!fields->is_object()) {
      return WrongData(number, 1, "is not a JSON object: give one object a line, {...}");
    }
    return take_(number, *std::move(fields));
  }

  // Where the parser gives up, from 1.
  static int64_t BreakOff(const std::string& line) {
    try {
      const Json parsed = Json::parse(line);
      return parsed.is_discarded() ? 1 : 0;
    } catch (const Json::parse_error& error) {
      return static_cast<int64_t>(error.byte);
    } catch (const std::exception&) {
      return 0;
    }
  }

  const size_t max_line_;
  const TakeItemFn take_;
  std::string line_;
  int64_t number_ = 1;
};

}  // namespace

std::unique_ptr<DatasetParser::Reader> MakeJsonlReader(const DatasetLimits& limits,
                                                       TakeItemFn take) {
  return std::make_unique<JsonlReader>(limits, std::move(take));
}

}  // namespace troupe
