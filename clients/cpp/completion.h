// Shell completion, made from the command line's own declaration. Stateless functions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "clients/cpp/commands.h"

namespace troupe::client {

// The script that makes bash complete troupe's commands, options and arguments.
std::string CompletionScript();

// What may stand in place of the last of `words`, which are those after "troupe" up to the cursor.
// Names of tasks, tools and prompts are asked of the server, which gets a second for it.
std::vector<std::string> Complete(const CLI::App& app, std::vector<std::string> words,
                                  const GlobalOptions& global);

}  // namespace troupe::client
