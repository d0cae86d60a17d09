#include "clients/cpp/item_options.h"

#include "clients/cpp/grader_option.h"

namespace troupe::client {

void AddFieldOptions(CLI::App& command, ItemOptions& options) {
  command.add_option("--question-field", options.question_field,
                     "The field that is the question; without, the usual names are looked for");
  command.add_option("--answer-field", options.answer_field,
                     "The field that is the expected answer; likewise");
}

v1::DatasetSelection SelectionOf(const ItemOptions& options, const std::string& split, int limit) {
  v1::DatasetSelection selection;
  // NAME:SPLIT, as elsewhere; --split says the same.
  const size_t colon = options.dataset.find(':');
  const std::string name = options.dataset.substr(0, colon);
  selection.set_dataset(name.starts_with("datasets/") ? name : "datasets/" + name);
  selection.set_split(colon == std::string::npos ? split : options.dataset.substr(colon + 1));
  if (!split.empty() && split != selection.split()) {
    throw CLI::ValidationError("--split", options.dataset + " names another split");
  }
  selection.set_limit(limit);
  selection.set_question_field(options.question_field);
  selection.set_answer_field(options.answer_field);
  return selection;
}

std::vector<CLI::Option*> AddWorkflowOptions(CLI::App& command, WorkflowOnItems& options) {
  return {AddList(command, "--workflow-input", options.inputs,
                  "The field of the items that an input of the workflow is: INPUT=FIELD"),
          AddList(command, "--value", options.values,
                  "Another value of a parameter of the workflow, or to begin with: NAME=VALUE")};
}

void AddJudgeOptions(CLI::App& command, JudgeOptions& options) {
  AddList(command, "--grader", options.graders, kGraderHelp);
  command.add_option("--answer-tag", options.answer_tag,
                     "Judge what stands in the last tag of this name in an answer");
  command.add_option("--answer-pattern", options.answer_pattern,
                     "Judge the first group of the last match of this RE2 in an answer");
}

google::protobuf::RepeatedPtrField<v1::Grader> GradersOf(const JudgeOptions& options) {
  google::protobuf::RepeatedPtrField<v1::Grader> graders;
  for (const std::string& text : options.graders) *graders.Add() = GraderOf(text);
  if (graders.empty() && !(options.answer_tag + options.answer_pattern).empty()) {
    graders.Add()->mutable_normalized();
  }
  for (v1::Grader& grader : graders) {
    grader.set_answer_tag(options.answer_tag);
    grader.set_answer_pattern(options.answer_pattern);
  }
  return graders;
}

}  // namespace troupe::client
