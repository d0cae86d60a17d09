// The manual, made from the command line's own declaration. Stateless functions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace troupe::client {

// All commands and options, exit codes and examples, laid out as man pages are.
std::string ManualText(const CLI::App& app);

}  // namespace troupe::client
