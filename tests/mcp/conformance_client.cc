// The MCP client as @modelcontextprotocol/conformance wants one to be: given the address of a
// server, it connects, calls every tool once, and ends.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/mcp/mcp_hub.h"
#include "tools/tool_host.h"
#include "tools/tool_registry.h"

namespace troupe {
namespace {

// Accepts every form as it is, with its defaults.
class AcceptingHost : public ToolHost {
 public:
  Async<Json> Ask(HostQuestion) override { co_return Json::object(); }
  Async<HostSample> Sample(HostSampleRequest) override {
    co_return HostSample{"a reply", "fake", false};
  }
};

// Some arguments that fit the schema.
Json ArgumentsFor(const Json& schema) {
  Json arguments = Json::object();
  for (const auto& [name, property] : JsonObject(schema, "properties").items()) {
    const std::string type = JsonString(property, "type");
    if (type == "number" || type == "integer") arguments[name] = 5;
    if (type == "string") arguments[name] = "text";
    if (type == "boolean") arguments[name] = true;
  }
  return arguments;
}

int Run(const std::string& url) {
  TempFolder folder;
  ToolRegistry tools;
  McpServerConfig config;
  config.name = "peer";
  config.url = url;
  config.start_time = absl::Seconds(10);
  std::vector<McpServerConfig> configs = {config};
  McpHub hub(std::move(configs), folder.path(), &tools);
  hub.Start();
  AcceptingHost host;
  int failures = 0;
  for (const auto& spec : tools.List()) {
    ToolCall call;
    call.arguments = ArgumentsFor(spec->arguments_schema);
    call.context.host = &host;
    call.context.path = "call";
    call.context.workspace.root = folder.path();
    const auto result = RunToEnd(tools.Call(spec->name, std::move(call)));
    std::cout << spec->name << ": "
              << (result.ok() ? DumpJson(result->value) : std::string(MessageOf(result.status())))
              << std::endl;
    if (!result.ok()) ++failures;
  }
  hub.Stop();
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: mcp_conformance_client URL" << std::endl;
    return 2;
  }
  return troupe::Run(argv[1]);
}
