// The command mcp: tasks and traces as tools for any host of the Model Context Protocol.
#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/mcp_server.h"

namespace troupe::client {

void AddMcpCommand(CLI::App& app, GlobalOptions& global, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("mcp", "Serve tasks and traces as MCP tools on standard input and output");
  command->callback([&global, &exit_code] {
    Connection connection(global.server);
    McpStdioServer server(&connection, &std::cin, &std::cout);
    server.Serve();
    exit_code = kExitOk;
  });
}

}  // namespace troupe::client
