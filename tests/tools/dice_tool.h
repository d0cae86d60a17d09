// The example of tools/README.md.
#pragma once

#include <random>

#include "tools/tool.h"

namespace troupe {

// Throws dice. Arguments {"dice", "seed"}, value {"eyes": [...]}.
class DiceTool : public Tool {
 public:
  DiceTool() {
    spec_.name = "dice";
    spec_.version = "1";
    spec_.brief = "Throws dice.";
    spec_.description = "Throws up to ten dice; the same seed gives the same eyes.";
    spec_.arguments_schema = Json::parse(R"({
      "type": "object",
      "properties": {"dice": {"type": "integer", "minimum": 1, "maximum": 10},
                     "seed": {"type": "integer", "minimum": 0}},
      "required": ["dice", "seed"], "additionalProperties": false})");
    spec_.result_schema = Json::parse(R"({
      "type": "object",
      "properties": {"eyes": {"type": "array", "items": {"type": "integer"}}},
      "required": ["eyes"]})");
    spec_.read_only = true;
    spec_.idempotent = true;
  }

  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override {
    std::mt19937_64 random(static_cast<uint64_t>(JsonInt(call.arguments, "seed")));
    Json eyes = Json::array();
    for (int64_t i = 0; i < JsonInt(call.arguments, "dice"); ++i) {
      eyes.push_back(static_cast<int64_t>(1 + random() % 6));
    }
    ToolResult result;
    result.content.push_back(ToolText{DumpJson(eyes)});
    result.value["eyes"] = std::move(eyes);
    co_return result;
  }

 private:
  ToolSpec spec_;
};

}  // namespace troupe
