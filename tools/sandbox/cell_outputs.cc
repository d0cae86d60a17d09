#include "tools/sandbox/cell_outputs.h"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

// A kernel counts characters, of four bytes at most, and errors besides.
constexpr int64_t kBytesOfACharacter = 4;
constexpr int64_t kErrorBytes = 4 * 1024 * 1024;
constexpr size_t kMaxImageBytes = 6 * 1024 * 1024;  // in base64
constexpr size_t kMaxOutputs = 10'000;
constexpr size_t kMaxNameBytes = 1000;

class Checker {
 public:
  explicit Checker(const SandboxConfig& config)
      : text_left_(kBytesOfACharacter * 1024 * config.output_kb + kErrorBytes),
        images_left_(config.figures) {}

  // The output with what may stay of it; null if that is nothing.
  Json Check(const Json& output) {
    const std::string type = JsonString(output, "output_type");
    if (type == "stream") {
      const std::string name = JsonString(output, "name");
      return {{"output_type", type},
              {"name", name == "stderr" ? "stderr" : "stdout"},
              {"text", Clip(JsonString(output, "text"))}};
    }
    if (type == "error") return CheckError(output);
    if (type != "display_data" && type != "execute_result") return nullptr;
    Json checked = {{"output_type", type}, {"data", Json::object()}, {"metadata", Json::object()}};
    if (type == "execute_result") checked["execution_count"] = nullptr;
    const auto data = output.find("data");
    if (data == output.end() || !data->is_object()) return nullptr;
    for (const auto& [kind, value] : data->items()) {
      if (kind.size() <= kMaxNameBytes && value.is_string()) AddData(kind, value, checked["data"]);
    }
    return checked["data"].empty() ? Json(nullptr) : checked;
  }

  bool cut() const { return cut_; }

 private:
  Json CheckError(const Json& output) {
    Json traceback = Json::array();
    const auto lines = output.find("traceback");
    if (lines != output.end() && lines->is_array()) {
      for (const Json& line : *lines) {
        if (line.is_string() && text_left_ > 0) traceback.push_back(Clip(line));
      }
    }
    return {{"output_type", "error"},
            {"ename", Clip(JsonString(output, "ename", "Error"))},
            {"evalue", Clip(JsonString(output, "evalue"))},
            {"traceback", std::move(traceback)}};
  }

  void AddData(const std::string& kind, const Json& value, Json& data) {
    const auto& text = value.get_ref<const std::string&>();
    if (kind == "image/png" || kind == "image/jpeg") {
      if (images_left_ <= 0 || text.size() > kMaxImageBytes) {
        cut_ = true;
        return;
      }
      --images_left_;
      data[kind] = text;
    } else if (text_left_ > 0) {
      data[kind] = Clip(text);
    }
  }

  std::string Clip(std::string text) {
    const auto left = static_cast<size_t>(std::max<int64_t>(text_left_, 0));
    if (text.size() > left) {
      size_t keep = left;
      while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xC0) == 0x80) --keep;
      text.resize(keep);
      cut_ = true;
    }
    text_left_ -= static_cast<int64_t>(text.size());
    return text;
  }

  int64_t text_left_;
  int images_left_;
  bool cut_ = false;
};

}  // namespace

Json CheckedOutputs(const Json& reported, const SandboxConfig& config) {
  Json outputs = Json::array();
  if (!reported.is_array()) return outputs;
  Checker checker(config);
  for (const Json& output : reported) {
    if (!output.is_object()) continue;
    if (outputs.size() >= kMaxOutputs) break;
    Json checked = checker.Check(output);
    if (!checked.is_null()) outputs.push_back(std::move(checked));
  }
  if (checker.cut() || reported.size() > kMaxOutputs) {
    outputs.push_back({{"output_type", "stream"},
                       {"name", "stderr"},
                       {"text", "[output over the limits is left out]\n"}});
  }
  return outputs;
}

}  // namespace troupe
