#include <fmt/format.h>

#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"

namespace troupe::client {
namespace {

std::string WithPrefix(const std::string& prefix, const std::string& name) {
  return name.rfind(prefix, 0) == 0 ? name : prefix + name;
}

int ListTools(const GlobalOptions& global) {
  Connection connection(global.server);
  v1::ListToolsResponse response;
  const auto status =
      connection.tools().ListTools(CallContext().get(), v1::ListToolsRequest(), &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response) << std::endl;
    return kExitOk;
  }
  for (const v1::Tool& tool : response.tools()) {
    std::cout << fmt::format("{:<24} {}", tool.name(), tool.brief()) << std::endl;
  }
  return kExitOk;
}

int ShowTool(const GlobalOptions& global, const std::string& name) {
  Connection connection(global.server);
  v1::GetToolRequest request;
  request.set_name(WithPrefix("tools/", name));
  v1::GetToolResponse response;
  const auto status = connection.tools().GetTool(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << ToJson(response.tool()) << std::endl;
  return kExitOk;
}

// Accepts a tool as it is now, and shows it.
int AcceptTool(const GlobalOptions& global, const std::string& name) {
  Connection connection(global.server);
  v1::GetToolRequest get;
  get.set_name(WithPrefix("tools/", name));
  v1::GetToolResponse got;
  auto status = connection.tools().GetTool(CallContext().get(), get, &got);
  if (!status.ok()) return Report(status, global.json);
  v1::AcceptToolRequest request;
  request.set_name(get.name());
  request.set_version(got.tool().version());
  v1::AcceptToolResponse response;
  status = connection.tools().AcceptTool(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << ToJson(response.tool()) << std::endl;
  return kExitOk;
}

}  // namespace

void AddToolCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  struct Options {
    std::string name;
    bool accept = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* tools = app.add_subcommand("tools", "List tools, or show one");
  tools->add_option("tool", options->name, "A tool to show");
  tools->add_flag("--accept", options->accept,
                  "Accept the tool's definition, which an MCP server has changed");
  tools->callback([=, &global, &exit_code] {
    if (options->name.empty()) {
      exit_code = ListTools(global);
    } else {
      exit_code =
          options->accept ? AcceptTool(global, options->name) : ShowTool(global, options->name);
    }
  });
}

}  // namespace troupe::client
