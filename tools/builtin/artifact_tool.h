// write_artifact: puts a text or bytes among the task's artifacts. Thread-safe.
#pragma once

#include "tools/tool.h"

namespace troupe {

// Arguments {"name", "text" or "base64", "description"?}. The name is a plain file name. A link
// inputs -> ../inputs is made beside the file, so that notebooks find the data.
class WriteArtifactTool : public Tool {
 public:
  WriteArtifactTool();
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  ToolSpec spec_;
};

}  // namespace troupe
