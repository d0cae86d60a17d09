// Options of commands that run something on the items of a data set and judge its answers: evaluate
// and optimize-workflow. Each function that reads options throws CLI's error for what cannot be
// read, which is printed as a usage error.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "clients/cpp/commands.h"
#include "clients/cpp/workflow_file.h"
#include "troupe/v1/evaluate.pb.h"

namespace troupe::client {

// A data set and what its fields mean.
struct ItemOptions {
  std::string dataset;
  std::string question_field;
  std::string answer_field;
};
// Without the data set's own option, which has another form in each command.
void AddFieldOptions(CLI::App& command, ItemOptions& options);
v1::DatasetSelection SelectionOf(const ItemOptions& options, const std::string& split, int limit);

// A workflow that is run on items.
struct WorkflowOnItems {
  std::string file;
  std::vector<std::string> inputs;
  std::vector<std::string> values;
};
// All but the file's; the options that were added.
std::vector<CLI::Option*> AddWorkflowOptions(CLI::App& command, WorkflowOnItems& options);

// "NAME=VALUE" ... into a message's map from names to values.
template <typename Message>
void SetValues(const std::vector<std::string>& given, Message& message) {
  for (const std::string& text : given) {
    const auto [name, value] = KeyValue(text);
    (*message.mutable_values())[name] = GivenValue(value);
  }
}

// Into a message that has `workflow`, `inputs` and `values` as EvaluateWorkflowTarget has them.
template <typename Message>
void SetWorkflow(const WorkflowOnItems& options, Message& message) {
  DocumentLines lines;
  *message.mutable_workflow() = ReadWorkflowFile(options.file, lines);
  for (const std::string& text : options.inputs) {
    const auto [input, field] = KeyValue(text);
    (*message.mutable_inputs())[input] = field;
  }
  SetValues(options.values, message);
}

// How answers are judged.
struct JudgeOptions {
  std::vector<std::string> graders;
  std::string answer_tag;
  std::string answer_pattern;
};
void AddJudgeOptions(CLI::App& command, JudgeOptions& options);
// Without a grader but with a tag or pattern: "normalized".
google::protobuf::RepeatedPtrField<v1::Grader> GradersOf(const JudgeOptions& options);

}  // namespace troupe::client
