// The tools that run code: python, r, and publish, which hands out files that code made.
#pragma once

#include <memory>
#include <vector>

#include "tools/sandbox/kernel_host.h"
#include "tools/tool.h"

namespace troupe {

// Arguments {"code", "from"?, "state"?, "discard"?}; see kernel_tree.h for what states are. `from`
// "" is the empty state, absent the last successful one; `state` absent is the call's path. Value
// {"state", "status", "outputs", "from"}; an image in outputs is {"content": i}, its bytes
// being the result's i-th content. A cell that failed is an is_error result.
class KernelTool : public Tool {
 public:
  // `language` is "python" or "r".
  KernelTool(std::string language, std::shared_ptr<KernelHost> host);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;
  void Recall(const ToolCall& call, const ToolResult& result) override;
  bool holds_state() const override { return true; }
  void Forget(std::string_view task_id) override;
  void ForgetRoom(std::string_view task_id, std::string_view room) override;

 private:
  const std::string language_;
  std::shared_ptr<KernelHost> host_;
  ToolSpec spec_;
};

// Copies files of a state's folder to the task's artifacts. Arguments {"state", "files": [{"file",
// "description"?}]}; a file that is not there, or is a link or a folder, is named in value.missing.
class PublishTool : public Tool {
 public:
  explicit PublishTool(std::shared_ptr<KernelHost> host);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  std::shared_ptr<KernelHost> host_;
  ToolSpec spec_;
};

// Outputs of a cell as an agent sees them, with the images' bytes taken out of `outputs`.
std::vector<ToolContent> TakeContent(Json& outputs);

}  // namespace troupe
