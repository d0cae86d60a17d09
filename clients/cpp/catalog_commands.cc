#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <sstream>

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

int ListPrompts(const GlobalOptions& global) {
  Connection connection(global.server);
  v1::ListPromptsResponse response;
  const auto status =
      connection.prompts().ListPrompts(CallContext().get(), v1::ListPromptsRequest(), &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response) << std::endl;
    return kExitOk;
  }
  for (const v1::Prompt& prompt : response.prompts()) {
    std::cout << fmt::format("{:<34} version {:<4} {}", prompt.name(), prompt.active_version(),
                             prompt.description())
              << std::endl;
  }
  return kExitOk;
}

int ShowPrompt(const GlobalOptions& global, const std::string& name) {
  Connection connection(global.server);
  v1::GetPromptRequest request;
  request.set_name(WithPrefix("prompts/", name));
  v1::GetPromptResponse response;
  const auto status = connection.prompts().GetPrompt(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response.prompt()) << std::endl;
    return kExitOk;
  }
  for (const v1::PromptVersion& version : response.prompt().versions()) {
    const bool active = version.version() == response.prompt().active_version();
    std::cout << fmt::format("--- {}{}  ({})", version.name(), active ? " (active)" : "",
                             version.origin())
              << std::endl;
    if (active) std::cout << version.template_() << std::endl;
  }
  return kExitOk;
}

int AddPrompt(const GlobalOptions& global, const std::string& name, const std::string& file,
              const std::string& note) {
  std::ifstream stream(file);
  if (!stream) throw CLI::ValidationError(file, "cannot be opened");
  std::ostringstream text;
  text << stream.rdbuf();
  Connection connection(global.server);
  v1::CreatePromptVersionRequest request;
  request.set_parent(WithPrefix("prompts/", name));
  request.set_template_(text.str());
  request.set_origin("command line");
  request.set_note(note);
  v1::CreatePromptVersionResponse response;
  const auto status =
      connection.prompts().CreatePromptVersion(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(response.version()) : response.version().name()) << std::endl;
  return kExitOk;
}

int Promote(const GlobalOptions& global, const std::string& name, const std::string& reason,
            const std::string& evidence) {
  Connection connection(global.server);
  v1::PromotePromptRequest request;
  request.set_name(WithPrefix("prompts/", name));
  request.set_reason(reason);
  request.set_evidence(evidence);
  v1::PromotePromptResponse response;
  const auto status = connection.prompts().PromotePrompt(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response.prompt()) << std::endl;
    return kExitOk;
  }
  std::cout << fmt::format("{} uses version {}", response.prompt().name(),
                           response.prompt().active_version())
            << std::endl;
  return kExitOk;
}

}  // namespace

void AddCatalogCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  struct Options {
    std::string name;
    std::string file;
    std::string note;
    std::string reason;
    std::string evidence;
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

  CLI::App* prompts = app.add_subcommand("prompts", "List prompts, show, add or promote one");
  prompts->require_subcommand(0, 1);
  CLI::App* show = prompts->add_subcommand("show", "Show a prompt with its versions");
  show->add_option("prompt", options->name, "As cellagent.planner")->required();
  show->callback([=, &global, &exit_code] { exit_code = ShowPrompt(global, options->name); });
  CLI::App* add = prompts->add_subcommand("add", "Add a version from a file");
  add->add_option("prompt", options->name, "As cellagent.planner")->required();
  add->add_option("file", options->file, "The template")->required();
  add->add_option("--note", options->note, "Why it is made");
  add->callback([=, &global, &exit_code] {
    exit_code = AddPrompt(global, options->name, options->file, options->note);
  });
  CLI::App* promote = prompts->add_subcommand("promote", "Make a version the active one");
  promote->add_option("version", options->name, "As cellagent.planner/versions/2")->required();
  promote->add_option("--reason", options->reason, "Why")->required();
  promote->add_option("--evidence", options->evidence, "What shows it");
  promote->callback([=, &global, &exit_code] {
    exit_code = Promote(global, options->name, options->reason, options->evidence);
  });
  prompts->callback([=, &global, &exit_code] {
    if (prompts->get_subcommands().empty()) exit_code = ListPrompts(global);
  });
}

}  // namespace troupe::client
