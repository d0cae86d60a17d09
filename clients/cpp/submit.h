// What the commands that submit a task share: the options that tasks of all kinds have, and the
// submission itself.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "clients/cpp/commands.h"
#include "troupe/v1/task.pb.h"

namespace troupe::client {

struct SubmitOptions {
  std::string title;
  std::string task_id;
  std::string request_id;
  std::vector<std::string> inputs;
  std::vector<std::string> server_inputs;
  std::vector<std::string> labels;
  std::vector<std::string> models;
  std::vector<std::string> prompts;
  std::vector<std::string> allow;
  std::vector<std::string> ask;
  std::vector<std::string> deny;
  bool watch = false;
  std::vector<std::string> role_budgets;
  int64_t max_calls = 0;
  int64_t max_tool_calls = 0;
  int64_t max_tokens = 0;
  double max_cost = 0;
  int64_t timeout = 0;
  uint64_t seed = 0;
};

// Adds them to a command; `options` outlive the parsing.
void AddCommonOptions(CLI::App& command, SubmitOptions& options);

// Submits `spec` with what the options say over it, watches it if they say so, and prints; how to
// exit.
int Submit(const SubmitOptions& options, v1::TaskSpec spec, const GlobalOptions& global);

// The bytes of a file; throws CLI's error, which is printed as a usage error.
std::string ReadFile(const std::string& path);
// What is in the file of that name, or the text itself where there is none. An empty file, and a
// single word that looks like a file's name and is none, are usage errors: they would be taken for
// a text unnoticed.
std::string TextOrFile(const std::string& given);

}  // namespace troupe::client
