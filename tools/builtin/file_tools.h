// The tools for files of a task's workspace: list_files, read_file, write_file. Paths are relative
// to the workspace (inputs/..., states/..., artifacts/...); none leads out of it, not through a
// link either. Thread-safe.
#pragma once

#include <memory>

#include "tools/tool.h"

namespace troupe {

class WorkerPool;

// Arguments {"folder"?, "recursive"?: true}; without a folder, all but the states. Value {"files":
// [{"path", "type", "size"}], "truncated"}.
class ListFilesTool : public Tool {
 public:
  explicit ListFilesTool(std::shared_ptr<WorkerPool> pool);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  std::shared_ptr<WorkerPool> pool_;
  ToolSpec spec_;
};

// Arguments {"path", "first_line"?, "lines"?}. Value {"path", "size", "media_type", "text",
// "first_line", "lines", "end"}; a picture is shown as one, other binary files are refused.
class ReadFileTool : public Tool {
 public:
  explicit ReadFileTool(std::shared_ptr<WorkerPool> pool);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  std::shared_ptr<WorkerPool> pool_;
  ToolSpec spec_;
};

// Arguments {"path", "text"}. Writes below files/ alone: inputs belong to the user, and a state's
// files are the outcome of its cells. Value {"path", "size"}.
class WriteFileTool : public Tool {
 public:
  explicit WriteFileTool(std::shared_ptr<WorkerPool> pool);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;
  // Writes the file again where it is not as the call left it: a fork begins without files.
  void Recall(const ToolCall& call, const ToolResult& result) override;

 private:
  std::shared_ptr<WorkerPool> pool_;
  ToolSpec spec_;
};

}  // namespace troupe
