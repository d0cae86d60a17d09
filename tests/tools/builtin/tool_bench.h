// Calls one tool through a registry, in a workspace of its own.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/tool_registry.h"

namespace troupe {

class ToolBench {
 public:
  ToolBench() {
    for (const auto& folder : {workspace_.inputs(), workspace_.states(), workspace_.artifacts()}) {
      std::filesystem::create_directories(folder);
    }
  }
  ToolRegistry& registry() { return registry_; }
  const Workspace& workspace() const { return workspace_; }

  void Write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories((workspace_.root / path).parent_path());
    std::ofstream(workspace_.root / path, std::ios::binary) << bytes;
  }

  absl::StatusOr<ToolResult> Call(const std::string& name, Json arguments,
                                  CancelToken cancel = CancelToken()) {
    ToolCall call;
    call.arguments = std::move(arguments);
    call.context.task_id = "t1";
    call.context.path = "step:1/call";
    call.context.workspace = workspace_;
    call.context.cancel = std::move(cancel);
    return RunToEnd(registry_.Call(name, std::move(call)));
  }

  // The result of a call that must not fail.
  ToolResult Get(const std::string& name, Json arguments) {
    auto result = Call(name, std::move(arguments));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : ToolResult();
  }

 private:
  TempFolder folder_;
  Workspace workspace_{folder_.path()};
  ToolRegistry registry_;
};

// What a result shows in words.
inline std::string TextOf(const ToolResult& result) {
  std::string text;
  for (const ToolContent& part : result.content) {
    if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text;
  }
  return text;
}

}  // namespace troupe
