// troupe: the command line.
#include <cstdlib>
#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"

namespace {

// The names of all commands, for the shell to complete.
void PrintCompletion(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : app.get_subcommands({})) words += command->get_name() + " ";
  std::cout << "complete -W \"" << words << "--server --json --help\" troupe" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "troupe: submit tasks to a Troupe server, follow them and look at what they did.\n"
      "Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 server not reached,\n"
      "4 task stopped by a limit or cancelled."};
  troupe::client::GlobalOptions options;
  if (const char* server = std::getenv("TROUPE_SERVER"); server != nullptr) {
    options.server = server;
  }
  app.add_option("--server", options.server, "The server's address (or TROUPE_SERVER)")
      ->capture_default_str();
  app.add_flag("--json", options.json, "Print JSON");
  app.fallthrough();
  app.require_subcommand(1);
  int exit_code = troupe::client::kExitOk;
  troupe::client::AddSubmitCommands(app, options, exit_code);
  troupe::client::AddTaskCommands(app, options, exit_code);
  troupe::client::AddTraceCommands(app, options, exit_code);
  troupe::client::AddDiffCommand(app, options, exit_code);
  troupe::client::AddCatalogCommands(app, options, exit_code);
  app.add_subcommand("completion", "Print shell completion: eval \"$(troupe completion)\"")
      ->callback([&app] { PrintCompletion(app); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int printed = app.exit(error);
    return printed == 0 ? troupe::client::kExitOk : troupe::client::kExitUsage;
  }
  return exit_code;
}
