// What the tests of MCP need: real servers from npm, a registry, and a task that answers.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/run_async.h"
#include "tests/support/slowness.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/steady_time.h"
#include "tools/mcp/child_process.h"
#include "tools/mcp/mcp_definition.h"
#include "tools/mcp/mcp_hub.h"
#include "tools/tool_host.h"
#include "tools/tool_registry.h"

namespace troupe {

// Runs a shell command; its output, and its exit code in `code`.
inline std::string RunCommand(const std::string& command, int& code) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char piece[4096];
  while (size_t size = fread(piece, 1, sizeof(piece), pipe)) output.append(piece, size);
  code = WEXITSTATUS(pclose(pipe));
  return output;
}

// The folder of the servers from npm; empty, with the reason in `why`, if they cannot be had.
inline std::string McpPeers(std::string& why) {
  int code = 0;
  const std::string folder = TROUPE_BINARY_DIR "/mcp_peers";
  why = RunCommand(TROUPE_SOURCE_DIR "/tests/mcp/install-peers " + folder, code);
  return code == 0 ? folder : "";
}

// A task that answers as it is told.
class ScriptedHost : public ToolHost {
 public:
  Async<Json> Ask(HostQuestion question) override {
    questions.push_back(question);
    co_return answer(question);
  }
  Async<HostSample> Sample(HostSampleRequest request) override {
    samples.push_back(request);
    co_return HostSample{"sampled: " + request.messages.back().text, "fake", false};
  }

  std::function<absl::StatusOr<Json>(const HostQuestion&)> answer =
      [](const HostQuestion&) -> absl::StatusOr<Json> { return Json("decline"); };
  std::vector<HostQuestion> questions;
  std::vector<HostSampleRequest> samples;
};

class McpTest : public testing::Test {
 protected:
  ~McpTest() override { Stop(); }

  // Skips the test if the servers of npm are not there.
  bool HavePeers() {
    std::string why;
    peers_ = McpPeers(why);
    return !peers_.empty();
  }

  McpServerConfig Node(const std::string& name, const std::string& script,
                       std::vector<std::string> args = {}) {
    McpServerConfig config;
    config.name = name;
    config.command = "node";
    config.args = {script};
    config.args.insert(config.args.end(), args.begin(), args.end());
    // Where other tests have the machine, Node.js alone may take long to start.
    config.start_time = absl::Seconds(90 * Slowness());
    return config;
  }
  McpServerConfig Npm(const std::string& name, const std::string& package,
                      std::vector<std::string> args = {}) {
    return Node(name, peers_ + "/node_modules/@modelcontextprotocol/" + package + "/dist/index.js",
                std::move(args));
  }
  McpServerConfig Ours(const std::string& name, const std::string& script,
                       std::vector<std::string> args = {}) {
    return Node(name, TROUPE_SOURCE_DIR "/tests/mcp/servers/" + script, std::move(args));
  }
  McpServerConfig Modern(std::vector<std::string> args) {
    return Node("modern", peers_ + "/servers/modern.mjs", std::move(args));
  }

  void Start(McpServerConfig config) {
    std::vector<McpServerConfig> configs = {std::move(config)};
    hub_ = std::make_unique<McpHub>(std::move(configs), folder_.path() / "mcp", &tools_);
    hub_->Start();
  }
  void Stop() {
    hub_.reset();
    http_servers_.clear();
  }

  // Starts an HTTP server; `started` waits until it listens and returns its port.
  std::string StartHttp(ChildSpec spec, const std::function<std::string()>& port) {
    auto child = ChildProcess::Start(spec);
    EXPECT_TRUE(child.ok()) << child.status();
    if (!child.ok()) return "";
    http_servers_.push_back(std::make_unique<ChildProcess>(*std::move(child)));
    std::string found;
    EXPECT_TRUE(Eventually([&] { return !(found = port()).empty(); }));
    return found;
  }

  static bool Eventually(const std::function<bool()>& holds, double seconds = 60) {
    const absl::Time end = SteadyNow() + absl::Seconds(seconds * Slowness());
    while (!holds()) {
      if (SteadyNow() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  absl::StatusOr<ToolResult> Call(const std::string& tool, Json arguments = Json::object(),
                                  CancelToken cancel = CancelToken()) {
    ToolCall call;
    call.arguments = std::move(arguments);
    call.context.task_id = "t";
    call.context.path = "call";
    call.context.cancel = std::move(cancel);
    call.context.workspace.root = folder_.path() / "workspace";
    call.context.host = &host_;
    call.context.progress = [this](std::string_view line) {
      progress_.emplace_back(line);
      if (on_progress_) on_progress_();
    };
    return RunToEnd(tools_.Call(tool, std::move(call)));
  }

  // All that an agent sees of a result.
  static std::string Text(const absl::StatusOr<ToolResult>& result) {
    if (!result.ok()) return "FAILED: " + std::string(MessageOf(result.status()));
    std::string text;
    for (const ToolContent& part : result->content) {
      if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text + "\n";
      if (const auto* image = std::get_if<ToolImage>(&part)) {
        text += "<" + image->media_type + " " + std::to_string(image->bytes.size()) + ">\n";
      }
    }
    return text;
  }

  bool Has(const std::string& tool) { return tools_.Find(tool).ok(); }
  ToolSpec Spec(const std::string& tool) {
    const auto found = tools_.Find(tool);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? (*found)->spec() : ToolSpec();
  }
  Json Memory(const std::string& server) {
    std::ifstream file(folder_.path() / "mcp" / (server + ".json"));
    std::ostringstream text;
    text << file.rdbuf();
    return *ParseJson(text.str(), "memory");
  }

  std::string peers_;
  TempFolder folder_;
  ToolRegistry tools_;
  ScriptedHost host_;
  std::vector<std::string> progress_;
  std::function<void()> on_progress_;
  std::unique_ptr<McpHub> hub_;
  std::vector<std::unique_ptr<ChildProcess>> http_servers_;
};

#define SKIP_WITHOUT_PEERS() \
  if (!HavePeers()) GTEST_SKIP() << "no MCP servers from npm: see tests/mcp/install-peers"

}  // namespace troupe
