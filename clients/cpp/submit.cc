#include "clients/cpp/submit.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "clients/cpp/connection.h"
#include "clients/cpp/render.h"
#include "clients/cpp/watch.h"

namespace troupe::client {
namespace {

void AddInputs(const SubmitOptions& options, v1::TaskSpec& spec) {
  for (const std::string& path : options.inputs) {
    v1::InputFile* input = spec.add_inputs();
    input->set_name(std::filesystem::path(path).filename().string());
    input->set_content(ReadFile(path));
  }
  for (const std::string& path : options.server_inputs) {
    v1::InputFile* input = spec.add_inputs();
    input->set_name(std::filesystem::path(path).filename().string());
    input->set_path(path);
  }
}

// "programmer.calls=20"
void AddRoleBudget(const std::string& text, v1::Budget& budget) {
  const auto [key, value] = KeyValue(text);
  const size_t dot = key.rfind('.');
  double number = 0;
  const bool is_number = CLI::detail::lexical_cast(value, number) && number > 0;
  const std::string limit = dot == std::string::npos ? "" : key.substr(dot + 1);
  v1::RoleBudget& role = (*budget.mutable_roles())[key.substr(0, dot)];
  if (is_number && limit == "calls") {
    role.set_max_model_calls(static_cast<int64_t>(number));
  } else if (is_number && limit == "tokens") {
    role.set_max_tokens(static_cast<int64_t>(number));
  } else if (is_number && limit == "cost") {
    role.set_max_cost_microusd(MicroUsd(number));
  } else if (is_number && limit == "seconds") {
    role.mutable_max_model_time()->set_seconds(static_cast<int64_t>(number));
  } else {
    throw CLI::ValidationError(text, "give ROLE.calls, .tokens, .cost or .seconds, and a number");
  }
}

void AddRules(const std::vector<std::string>& tools, v1::PermissionRule::Decision decision,
              v1::TaskSpec& spec) {
  for (const std::string& tool : tools) {
    v1::PermissionRule* rule = spec.add_permissions();
    rule->set_decision(decision);
    rule->set_tool(tool);
  }
}

// Sets what the command line gives, over what the spec has.
void Apply(const SubmitOptions& options, v1::TaskSpec& spec) {
  if (!options.title.empty()) spec.set_title(options.title);
  for (const std::string& text : options.labels) {
    const auto [key, value] = KeyValue(text);
    (*spec.mutable_labels())[key] = value;
  }
  for (const std::string& text : options.models) {
    const auto [role, model] = KeyValue(text);
    (*spec.mutable_models())[role] = model;
  }
  for (const std::string& text : options.prompts) {
    const auto [prompt, version] = KeyValue(text);
    (*spec.mutable_prompts())[prompt] = version;
  }
  // The strictest first: of rules that fit a call the first decides.
  AddRules(options.deny, v1::PermissionRule::DECISION_DENY, spec);
  AddRules(options.ask, v1::PermissionRule::DECISION_ASK, spec);
  AddRules(options.allow, v1::PermissionRule::DECISION_ALLOW, spec);
  v1::Budget& budget = *spec.mutable_budget();
  if (options.max_calls > 0) budget.set_max_model_calls(options.max_calls);
  if (options.max_tool_calls > 0) budget.set_max_tool_calls(options.max_tool_calls);
  if (options.max_tokens > 0) budget.set_max_tokens(options.max_tokens);
  if (options.max_cost > 0) {
    budget.set_max_cost_microusd(MicroUsd(options.max_cost));
  }
  for (const std::string& text : options.role_budgets) AddRoleBudget(text, budget);
  if (options.timeout > 0) spec.mutable_timeout()->set_seconds(options.timeout);
  if (options.seed > 0) spec.set_seed(options.seed);
  AddInputs(options, spec);
}

// Follows the task to its end and shows what it came to.
int WatchAndShow(Connection& connection, const std::string& task, const GlobalOptions& global) {
  WatchSettings watch;
  watch.task = task;
  watch.json = global.json;
  if (!global.json) std::cout << watch.task << std::endl;
  const int watched = Watch(connection, watch);
  v1::GetTaskRequest get;
  get.set_name(task);
  v1::GetTaskResponse got;
  const auto read = connection.tasks().GetTask(CallContext().get(), get, &got);
  if (!read.ok()) return Report(read, global.json);
  if (global.json) {  // the last of the lines of JSON
    std::cout << ToJson(got, false) << std::endl;
  } else {
    std::cout << "\n" << TaskText(got.task()) << std::endl;
  }
  return watched;
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw CLI::ValidationError(path, "cannot be opened");
  std::ostringstream bytes;
  file.peek();  // a folder can be opened, but not read
  bytes << file.rdbuf();
  if (file.bad()) throw CLI::ValidationError(path, "cannot be read: is it a folder?");
  return bytes.str();
}

std::string TextOrFile(const std::string& given) {
  std::error_code error;
  if (std::filesystem::is_regular_file(given, error)) {
    std::string text = ReadFile(given);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
      throw CLI::ValidationError(given, "is empty");
    }
    // The end of a text's last line is not of the text.
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
  }
  static const std::set<std::string> kSuffixes = {".txt", ".md", ".json", ".jsonl", ".yaml", ".py"};
  const bool one_word = given.find_first_of(" \t\r\n") == std::string::npos;
  if (one_word && kSuffixes.contains(std::filesystem::path(given).extension().string())) {
    throw CLI::ValidationError(given, "there is no such file");
  }
  return given;
}

int Submit(const SubmitOptions& options, v1::TaskSpec spec, const GlobalOptions& global) {
  Connection connection(global.server);
  v1::SubmitTaskRequest request;
  request.set_request_id(options.request_id.empty() ? NewRequestId() : options.request_id);
  request.set_task_id(options.task_id);
  Apply(options, spec);
  *request.mutable_spec() = std::move(spec);
  v1::SubmitTaskResponse response;
  const auto status = connection.tasks().SubmitTask(CallContext().get(), request, &response);
  if (status.ok() && options.watch) {
    return WatchAndShow(connection, response.task().name(), global);
  }
  if (!status.ok() || global.json) return PrintTask(status, response.task(), global);
  std::cout << response.task().name() << std::endl;
  return kExitOk;
}

void AddCommonOptions(CLI::App& command, SubmitOptions& options) {
  AddList(command, "-i,--input", options.inputs, "A file to upload (3 MiB at most each)");
  AddList(command, "--server-input", options.server_inputs, "A file on the server's machine");
  AddList(command, "--label", options.labels, "A label: KEY=VALUE");
  AddList(command, "--model", options.models, "A model for a role: ROLE=NAME (or default=NAME)");
  AddList(command, "--prompt", options.prompts, "A version of a prompt: NAME=VERSION");
  AddList(command, "--allow-tool", options.allow,
          "Calls of this TOOL (or pattern) need no approval");
  AddList(command, "--ask-tool", options.ask, "Calls of this TOOL (or pattern) are asked about");
  AddList(command, "--deny-tool", options.deny, "Calls of this TOOL (or pattern) are refused");
  command.add_option("--title", options.title, "One line for people");
  command.add_option("--task-id", options.task_id, "The task's id");
  command.add_option("--request-id", options.request_id, "UUID that makes the call idempotent");
  command.add_option("--max-calls", options.max_calls, "Budget: model calls")->check(AboveZero());
  command.add_option("--max-tool-calls", options.max_tool_calls, "Budget: tool calls")
      ->check(AboveZero());
  command.add_option("--max-tokens", options.max_tokens, "Budget: tokens")->check(AboveZero());
  command.add_option("--max-cost", options.max_cost, "Budget: US dollars")->check(AboveZero());
  AddList(command, "--role-budget", options.role_budgets,
          "Budget of a role: ROLE.calls=N, ROLE.tokens=N, ROLE.cost=DOLLARS or ROLE.seconds=N");
  command.add_option("--timeout", options.timeout, "Seconds that the task may take")
      ->check(AboveZero());
  command.add_option("--seed", options.seed, "What random draws derive from")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("-w,--watch", options.watch, "Watch it to its end and show the result");
}

CLI::Option* AddList(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                     const std::string& help) {
  return command.add_option(name, values, help)->allow_extra_args(false);
}

CLI::Validator AboveZero() {
  return CLI::Validator(
      [](const std::string& given) {
        double number = 0;
        const bool above = CLI::detail::lexical_cast(given, number) && number > 0;
        return std::string(above ? ""
                                 : "give more than 0, or leave it out: then there is no limit");
      },
      "");
}

int64_t MicroUsd(double dollars) { return std::max<int64_t>(1, std::llround(dollars * 1e6)); }

std::pair<std::string, std::string> KeyValue(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw CLI::ValidationError(text, "give it as KEY=VALUE");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace troupe::client
