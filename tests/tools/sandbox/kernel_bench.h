// A task whose cells a test runs through a kernel's tool.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/base/steady_time.h"
#include "tools/sandbox/kernel_tools.h"

namespace troupe {

class KernelBench {
 public:
  KernelBench(std::string language, SandboxConfig config)
      : language_(std::move(language)), config_(std::move(config)) {
    Restart();
    context_.task_id = "t";
    context_.path = "cell";
    context_.workspace.root = folder_.path() / "task";
    context_.deadline = SteadyNow() + absl::Minutes(2);
    std::filesystem::create_directories(context_.workspace.inputs());
    std::ofstream(context_.workspace.inputs() / "data.txt") << "42";
  }

  // A new server: nothing is left of the old one's processes.
  void Restart() {
    tool_.reset();
    host_ = std::make_shared<KernelHost>(
        config_, std::filesystem::path(TROUPE_SOURCE_DIR) / "tools/sandbox/kernel",
        std::vector<SandboxMount>());
    tool_ = std::make_unique<KernelTool>(language_, host_);
  }

  ToolContext& context() { return context_; }
  KernelTool& tool() { return *tool_; }
  const std::filesystem::path& folder() const { return folder_.path(); }

  ToolCall Cell(const std::string& state, const std::string& from, const std::string& code) {
    ToolCall call;
    call.arguments = {{"state", state}, {"from", from}, {"code", code}};
    call.context = context_;
    return call;
  }

  absl::StatusOr<ToolResult> Run(const std::string& state, const std::string& from,
                                 const std::string& code) {
    return RunToEnd(tool_->Call(Cell(state, from, code)));
  }

  // What a cell shows in words, or the error of a call that failed.
  std::string Output(const std::string& from, const std::string& code) {
    auto result = Run("look" + std::to_string(++looks_), from, code);
    return result.ok() ? Text(*result) : std::string(MessageOf(result.status()));
  }

  static std::string Text(const ToolResult& result) {
    std::string text;
    for (const ToolContent& part : result.content) {
      if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text;
    }
    return text;
  }

  static std::vector<std::string> Images(const ToolResult& result) {
    std::vector<std::string> images;
    for (const ToolContent& part : result.content) {
      if (const auto* image = std::get_if<ToolImage>(&part)) images.push_back(image->bytes);
    }
    return images;
  }

 private:
  static std::string_view MessageOf(const absl::Status& status) {
    return {status.message().data(), status.message().size()};
  }

  const std::string language_;
  const SandboxConfig config_;
  TempFolder folder_;
  ToolContext context_;
  std::shared_ptr<KernelHost> host_;
  std::unique_ptr<KernelTool> tool_;
  int looks_ = 0;
};

}  // namespace troupe
