// The tool sql_query: read-only SQL over an SQLite file of the task's workspace. Thread-safe.
#pragma once

#include <memory>

#include "tools/tool.h"

namespace troupe {

class WorkerPool;

// Arguments {"path", "sql", "parameters"?, "limit"?}. Value {"columns", "rows", "truncated"}.
class SqlTool : public Tool {
 public:
  explicit SqlTool(std::shared_ptr<WorkerPool> pool);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  std::shared_ptr<WorkerPool> pool_;
  ToolSpec spec_;
};

}  // namespace troupe
