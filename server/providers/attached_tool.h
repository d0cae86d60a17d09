// AttachedTool: a tool that clients serve, as the registry has it. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "tools/json_schema.h"
#include "tools/tool.h"

namespace troupe {

class ProviderHub;

class AttachedTool : public Tool {
 public:
  // `hub` outlives all calls; `served` says whether somebody serves it.
  // kInvalidField for a schema that is none.
  static absl::StatusOr<std::shared_ptr<Tool>> Make(
      ToolSpec spec, std::string key, ProviderHub* hub,
      std::shared_ptr<const std::atomic<bool>> served);

  const ToolSpec& spec() const override { return spec_; }
  bool available() const override { return *served_; }
  bool rejoins() const override { return true; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  AttachedTool(ToolSpec spec, std::string key, ProviderHub* hub,
               std::shared_ptr<const std::atomic<bool>> served, JsonSchema result)
      : spec_(std::move(spec)),
        key_(std::move(key)),
        hub_(hub),
        served_(std::move(served)),
        result_schema_(std::make_shared<const JsonSchema>(std::move(result))) {}

  const ToolSpec spec_;
  const std::string key_;
  ProviderHub* const hub_;
  const std::shared_ptr<const std::atomic<bool>> served_;
  const std::shared_ptr<const JsonSchema> result_schema_;
};

}  // namespace troupe
