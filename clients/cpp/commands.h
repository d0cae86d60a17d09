// The commands of troupe, each a function that talks to a server, prints, and says how to exit.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::client {

// What all commands share.
struct GlobalOptions {
  std::string server = "127.0.0.1:7433";
  bool json = false;
};

// Each adds its commands to `app`; `exit_code` is set when one has run. All outlive the parsing.
void AddTaskCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddTraceCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddCatalogCommands(CLI::App& app, GlobalOptions& options, int& exit_code);

}  // namespace troupe::client
