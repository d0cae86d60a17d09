// The commands of troupe, each a function that talks to a server, prints, and says how to exit.
#pragma once

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "troupe/v1/task.pb.h"

namespace troupe::client {

// What all commands share.
struct GlobalOptions {
  std::string server = "127.0.0.1:7433";
  bool json = false;
};

// Each adds its commands to `app`; `exit_code` is set when one has run. All outlive the parsing.
void AddSubmitCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddSpoCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddTaskCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddArtifactCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddTraceCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddDiffCommand(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddToolCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddPromptCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddDatasetCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddEvaluateCommand(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddOptimizerCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddWorkflowCommands(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddOptimizeCommand(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddOptimizeWorkflowCommand(CLI::App& app, GlobalOptions& options, int& exit_code);
void AddMcpCommand(CLI::App& app, GlobalOptions& options, int& exit_code);

// An option that may be given several times, with one value each time: otherwise it would take the
// words that follow, which may be arguments.
CLI::Option* AddList(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                     const std::string& help);

struct QuestionFields;  // spo_template.h
// The options that say which fields and how many items of a data set are meant.
void AddFieldOptions(CLI::App& command, QuestionFields& fields);

// What an option that is a limit must be: 0 and less would be taken for no limit at all.
CLI::Validator AboveZero();

// US dollars above 0 in millionths, 1 at the least, as 0 would be no limit.
int64_t MicroUsd(double dollars);

// "key=value" in its two parts; throws CLI's error, which is printed as a usage error.
std::pair<std::string, std::string> KeyValue(const std::string& text);

// Prints a task, or the error that came in its place; says how to exit.
int PrintTask(const grpc::Status& status, const v1::Task& task, const GlobalOptions& global);

}  // namespace troupe::client
