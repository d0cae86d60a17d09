// troupe: the command line.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "clients/cpp/commands.h"
#include "clients/cpp/completion.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/manual.h"

namespace troupe::client {
namespace {

// What the completion script calls; not a command, as its arguments look like options.
constexpr std::string_view kCompleteWords = "complete-words";

void PrintText(const char* name, const std::string& text, const GlobalOptions& options) {
  std::cout << (options.json ? JsonOf({{name, text}}) + "\n" : text);
}

void AddHelpCommands(CLI::App& app, const GlobalOptions& options) {
  app.add_subcommand("completion", "Print shell completion: eval \"$(troupe completion)\"")
      ->callback([&options] { PrintText("script", CompletionScript(), options); });
  app.add_subcommand("manual", "Print the manual: all commands, options and exit codes")
      ->callback([&app, &options] { PrintText("manual", ManualText(app), options); });
}

int Run(int argc, char** argv) {
  CLI::App app{
      "troupe: submit tasks to a Troupe server, follow them and look at what they did.\n"
      "Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 server not reached,\n"
      "4 task stopped by a limit or cancelled. More in: troupe manual.",
      "troupe"};
  GlobalOptions options;
  if (const char* server = std::getenv("TROUPE_SERVER"); server != nullptr) {
    options.server = server;
  }
  app.add_option("--server", options.server, "The server's address (or TROUPE_SERVER)")
      ->capture_default_str();
  app.add_flag("--json", options.json, "Print JSON, errors too (these to standard error)");
  app.fallthrough();
  app.require_subcommand(1);
  int exit_code = kExitOk;
  AddSubmitCommands(app, options, exit_code);
  AddEvaluateCommand(app, options, exit_code);
  AddDatasetCommands(app, options, exit_code);
  AddOptimizerCommands(app, options, exit_code);
  AddWorkflowCommands(app, options, exit_code);
  AddSpoCommands(app, options, exit_code);
  AddTaskCommands(app, options, exit_code);
  AddArtifactCommands(app, options, exit_code);
  AddTraceCommands(app, options, exit_code);
  AddDiffCommand(app, options, exit_code);
  AddToolCommands(app, options, exit_code);
  AddPromptCommands(app, options, exit_code);
  AddOptimizeCommand(app, options, exit_code);
  AddOptimizeWorkflowCommand(app, options, exit_code);
  AddMcpCommand(app, options, exit_code);
  AddHelpCommands(app, options);
  if (argc > 1 && argv[1] == kCompleteWords) {
    for (const std::string& word : Complete(app, {argv + 2, argv + argc}, options)) {
      std::cout << word << "\n";
    }
    return kExitOk;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool is_error = error.get_exit_code() != 0;  // help is none
    // The line may be wrong before --json is reached.
    const bool json = std::find(argv + 1, argv + argc, std::string_view("--json")) != argv + argc;
    if (is_error && json) {
      std::cerr << ErrorJson("USAGE", "", error.what()) << std::endl;
    } else {
      app.exit(error);
    }
    return is_error ? kExitUsage : kExitOk;
  }
  // What was asked for is lost if the disk that it goes to is full.
  if (!std::cout.flush() && exit_code == kExitOk) {
    const std::string what = "the output could not be written: is the disk full?";
    std::cerr << (options.json ? ErrorJson("INTERNAL", "", what) : "troupe: " + what) << std::endl;
    return kExitFailed;
  }
  return exit_code;
}

}  // namespace
}  // namespace troupe::client

int main(int argc, char** argv) { return troupe::client::Run(argc, argv); }
