// The commands of workflows: run, check.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/item_options.h"
#include "clients/cpp/submit.h"
#include "clients/cpp/workflow_file.h"
#include "clients/cpp/yaml_message.h"

namespace troupe::client {
namespace {

constexpr char kPlace[] = "spec.workflow.workflow.";

struct WorkflowOptions {
  std::string file;
  std::vector<std::string> inputs;
  std::vector<std::string> values;
  bool no_watch = false;
};

// Problems of a document in the server's words, with their lines.
int PrintProblems(const v1::SubmitTaskResponse& response, const std::string& file,
                  const DocumentLines& lines, bool json) {
  nlohmann::json list = nlohmann::json::array();
  for (const v1::FieldProblem& problem : response.problems()) {
    std::string field = problem.field();
    if (field.starts_with(kPlace)) field = field.substr(sizeof kPlace - 1);
    const int line = LineOf(lines, field);
    if (json) {
      list.push_back({{"field", field}, {"line", line}, {"problem", problem.problem()}});
    } else {
      std::cerr << fmt::format("{}:{}: {}: {}\n", file, line, field, problem.problem());
    }
  }
  if (json) std::cout << nlohmann::json{{"problems", list}}.dump() << std::endl;
  if (!json && list.empty() && response.problems().empty()) std::cout << file << " is fine\n";
  return response.problems().empty() ? kExitOk : kExitFailed;
}

int Check(const WorkflowOptions& options, const GlobalOptions& global) {
  v1::SubmitTaskRequest request;
  DocumentLines lines;
  v1::WorkflowSpec& spec = *request.mutable_spec()->mutable_workflow();
  *spec.mutable_workflow() = ReadWorkflowFile(options.file, lines);
  // What is not given is no fault of the document.
  for (const auto& [name, input] : spec.workflow().inputs()) {
    if (!input.has_default_()) *(*spec.mutable_inputs())[name].mutable_list_value() = {};
  }
  request.set_validate_only(true);
  Connection connection(global.server);
  v1::SubmitTaskResponse response;
  const auto status = connection.tasks().SubmitTask(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  v1::SubmitTaskResponse of_document;
  for (const v1::FieldProblem& problem : response.problems()) {
    if (!problem.field().starts_with("spec.workflow.inputs")) {
      *of_document.add_problems() = problem;
    }
  }
  return PrintProblems(of_document, options.file, lines, global.json);
}

}  // namespace

v1::Workflow ReadWorkflowFile(const std::string& file, DocumentLines& lines) {
  v1::Workflow workflow;
  const absl::Status read = ReadYamlMessage(ReadFile(file), file, workflow, lines);
  if (!read.ok()) throw CLI::ValidationError(std::string(read.message()));
  return workflow;
}

google::protobuf::Value GivenValue(const std::string& given) {
  google::protobuf::Value value;
  DocumentLines lines;
  const std::string text = given.starts_with('@') ? ReadFile(given.substr(1)) : given;
  const bool json = nlohmann::json::accept(text);
  if (!json || !ReadYamlMessage(text, given, value, lines).ok()) value.set_string_value(text);
  return value;
}

void AddWorkflowCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto workflow = std::make_shared<WorkflowOptions>();
  CLI::App* command = app.add_subcommand("workflow", "Run or check a workflow");
  command->require_subcommand(1);
  CLI::App* run = command->add_subcommand("run", "Run a workflow and watch it to its answer");
  run->add_option("file", workflow->file, "The document, in YAML or JSON")->required();
  // Not --input, which uploads files.
  AddList(*run, "--set,--with", workflow->inputs,
          "An input: NAME=VALUE, where VALUE is JSON or else text, or @FILE with it");
  AddList(*run, "--value", workflow->values, "Another value of a parameter: NAME=VALUE, likewise");
  run->add_flag("--no-watch", workflow->no_watch, "Submit it and return");
  AddCommonOptions(*run, *options);
  run->callback([=, &global, &exit_code] {
    DocumentLines lines;
    v1::TaskSpec task;
    v1::WorkflowSpec& spec = *task.mutable_workflow();
    *spec.mutable_workflow() = ReadWorkflowFile(workflow->file, lines);
    for (const std::string& text : workflow->inputs) {
      const auto [name, value] = KeyValue(text);
      (*spec.mutable_inputs())[name] = GivenValue(value);
    }
    SetValues(workflow->values, spec);
    options->watch = !workflow->no_watch;
    exit_code = Submit(*options, std::move(task), global);
  });
  CLI::App* check = command->add_subcommand("check", "Tell all that is wrong with a workflow");
  check->add_option("file", workflow->file, "The document, in YAML or JSON")->required();
  check->callback([=, &global, &exit_code] { exit_code = Check(*workflow, global); });
}

}  // namespace troupe::client
