// What a command of the line declares: its options and arguments. Stateless functions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace troupe::client {

// The options that are not hidden.
inline std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  const auto options = app.get_options([](const CLI::Option* option) {
    return option->nonpositional() && !option->get_group().empty();
  });
  return {options.begin(), options.end()};
}

// The arguments by position.
inline std::vector<const CLI::Option*> ArgumentsOf(const CLI::App& app) {
  const auto options =
      app.get_options([](const CLI::Option* option) { return option->get_positional(); });
  return {options.begin(), options.end()};
}

// "-o,--output" as its words.
inline std::vector<std::string> Spellings(const CLI::Option& option) {
  std::vector<std::string> words;
  for (const std::string& name : option.get_snames()) words.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) words.push_back("--" + name);
  return words;
}

// "output" of "-o,--output"; "" without a long name.
inline std::string LongName(const CLI::Option& option) {
  return option.get_lnames().empty() ? "" : option.get_lnames()[0];
}

}  // namespace troupe::client
