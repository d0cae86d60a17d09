// AttachedTool: a tool that clients serve, as the registry has it. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "tools/tool.h"

namespace troupe {

class ProviderHub;

class AttachedTool : public Tool {
 public:
  // `hub` outlives all calls; `served` says whether somebody serves it.
  AttachedTool(ToolSpec spec, std::string key, ProviderHub* hub,
               std::shared_ptr<const std::atomic<bool>> served)
      : spec_(std::move(spec)), key_(std::move(key)), hub_(hub), served_(std::move(served)) {}

  const ToolSpec& spec() const override { return spec_; }
  bool available() const override { return *served_; }
  bool rejoins() const override { return true; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  const ToolSpec spec_;
  const std::string key_;
  ProviderHub* const hub_;
  const std::shared_ptr<const std::atomic<bool>> served_;
};

}  // namespace troupe
