#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/render.h"
#include "clients/cpp/watch.h"

namespace troupe::client {
namespace {

struct SubmitOptions {
  std::string request;
  std::string requirements;
  std::string toolbox;
  std::string title;
  std::string task_id;
  std::string request_id;
  std::vector<std::string> inputs;
  std::vector<std::string> server_inputs;
  std::vector<std::string> context;
  std::vector<std::string> labels;
  std::vector<std::string> models;
  int max_steps = 0;
  int max_trials = 0;
  int max_attempts = 0;
  bool ask = false;
  bool vision = false;
  bool watch = false;
  int64_t max_calls = 0;
  int64_t max_tokens = 0;
  double max_cost = 0;
  int64_t timeout = 0;
  uint64_t seed = 0;
};

// "key=value"; throws CLI's error, which is printed as a usage error.
std::pair<std::string, std::string> KeyValue(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw CLI::ValidationError(text, "give it as KEY=VALUE");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void AddInputs(const SubmitOptions& options, v1::TaskSpec& spec) {
  for (const std::string& path : options.inputs) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw CLI::ValidationError(path, "cannot be opened");
    std::ostringstream bytes;
    bytes << file.rdbuf();
    v1::InputFile* input = spec.add_inputs();
    input->set_name(std::filesystem::path(path).filename().string());
    input->set_content(bytes.str());
  }
  for (const std::string& path : options.server_inputs) {
    v1::InputFile* input = spec.add_inputs();
    input->set_name(std::filesystem::path(path).filename().string());
    input->set_path(path);
  }
}

v1::SubmitTaskRequest RequestOf(const SubmitOptions& options) {
  v1::SubmitTaskRequest request;
  request.set_request_id(options.request_id.empty() ? NewRequestId() : options.request_id);
  request.set_task_id(options.task_id);
  v1::TaskSpec& spec = *request.mutable_spec();
  v1::CellAgentSpec& cellagent = *spec.mutable_cellagent();
  cellagent.set_request(options.request);
  cellagent.set_requirements(options.requirements);
  cellagent.set_toolbox(options.toolbox);
  for (const std::string& text : options.context) {
    const auto [key, value] = KeyValue(text);
    (*cellagent.mutable_context())[key] = value;
  }
  cellagent.set_max_steps(options.max_steps);
  cellagent.set_max_trials(options.max_trials);
  cellagent.set_max_attempts(options.max_attempts);
  cellagent.set_ask_clarification(options.ask);
  cellagent.set_use_vision(options.vision);
  spec.set_title(options.title);
  for (const std::string& text : options.labels) {
    const auto [key, value] = KeyValue(text);
    (*spec.mutable_labels())[key] = value;
  }
  for (const std::string& text : options.models) {
    const auto [role, model] = KeyValue(text);
    (*spec.mutable_models())[role] = model;
  }
  spec.mutable_budget()->set_max_model_calls(options.max_calls);
  spec.mutable_budget()->set_max_tokens(options.max_tokens);
  spec.mutable_budget()->set_max_cost_microusd(static_cast<int64_t>(options.max_cost * 1e6));
  spec.mutable_timeout()->set_seconds(options.timeout);
  spec.set_seed(options.seed);
  AddInputs(options, spec);
  return request;
}

int PrintTask(const grpc::Status& status, const v1::Task& task, const GlobalOptions& global) {
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(task) : TaskText(task)) << std::endl;
  return kExitOk;
}

void AddSubmit(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* command = app.add_subcommand("submit", "Submit a CellAgent task");
  command->add_option("request", options->request, "What to find out, in words")->required();
  command->add_option("--requirements", options->requirements, "Constraints on how");
  command->add_option("--toolbox", options->toolbox, "Domain knowledge: single_cell, tabular ...");
  command->add_option("-i,--input", options->inputs, "A file to upload (3 MiB at most each)");
  command->add_option("--server-input", options->server_inputs, "A file on the server's machine");
  command->add_option("--context", options->context, "What is known: KEY=VALUE");
  command->add_option("--label", options->labels, "A label: KEY=VALUE");
  command->add_option("--model", options->models,
                      "A model for a role: ROLE=NAME (or default=NAME)");
  command->add_option("--title", options->title, "One line for people");
  command->add_option("--task-id", options->task_id, "The task's id");
  command->add_option("--request-id", options->request_id, "UUID that makes the call idempotent");
  command->add_option("--max-steps", options->max_steps, "Steps of the plan at most");
  command->add_option("--max-trials", options->max_trials, "Trials of a step at most");
  command->add_option("--max-attempts", options->max_attempts, "Attempts of a trial at most");
  command->add_flag("--ask", options->ask, "Let the planner ask a question first");
  command->add_flag("--vision", options->vision, "Show figures to the evaluator");
  command->add_option("--max-calls", options->max_calls, "Budget: model calls");
  command->add_option("--max-tokens", options->max_tokens, "Budget: tokens");
  command->add_option("--max-cost", options->max_cost, "Budget: US dollars");
  command->add_option("--timeout", options->timeout, "Seconds that the task may take");
  command->add_option("--seed", options->seed, "What random draws derive from");
  command->add_flag("-w,--watch", options->watch, "Watch it to its end and show the result");
  command->callback([options, &global, &exit_code] {
    Connection connection(global.server);
    const v1::SubmitTaskRequest request = RequestOf(*options);
    v1::SubmitTaskResponse response;
    const auto status = connection.tasks().SubmitTask(CallContext().get(), request, &response);
    if (!status.ok() || !options->watch) {
      if (!status.ok() || global.json) {
        exit_code = PrintTask(status, response.task(), global);
      } else {
        std::cout << response.task().name() << std::endl;
      }
      return;
    }
    WatchSettings watch;
    watch.task = response.task().name();
    watch.json = global.json;
    if (!global.json) std::cout << watch.task << std::endl;
    exit_code = Watch(connection, watch);
    v1::GetTaskRequest get;
    get.set_name(watch.task);
    v1::GetTaskResponse got;
    const auto read = connection.tasks().GetTask(CallContext().get(), get, &got);
    if (!global.json) std::cout << std::endl;
    const int printed = PrintTask(read, got.task(), global);
    if (printed != kExitOk) exit_code = printed;
  });
}

void AddWatch(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto settings = std::make_shared<WatchSettings>();
  CLI::App* command = app.add_subcommand("watch", "Follow a task to its end");
  command->add_option("task", settings->task, "tasks/ID or ID")->required();
  command->add_option("--after", settings->after_sequence, "Leave out events up to this sequence");
  command->add_flag("-q,--quiet", settings->quiet, "States, questions and progress alone");
  command->callback([settings, &global, &exit_code] {
    Connection connection(global.server);
    settings->task = TaskName(settings->task);
    settings->json = global.json;
    exit_code = Watch(connection, *settings);
  });
}

void AddTasks(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto request = std::make_shared<v1::ListTasksRequest>();
  auto filter = std::make_shared<std::string>();
  auto limit = std::make_shared<int>(20);
  CLI::App* command = app.add_subcommand("tasks", "List tasks, newest first");
  command->add_option("--filter", *filter, "As: state = RUNNING AND labels.team = bio");
  command->add_option("-n,--limit", *limit, "How many")->capture_default_str();
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    request->set_filter(*filter);
    request->set_page_size(*limit);
    v1::ListTasksResponse response;
    const auto status = connection.tasks().ListTasks(CallContext().get(), *request, &response);
    if (!status.ok()) {
      exit_code = Report(status, global.json);
    } else if (global.json) {
      std::cout << ToJson(response) << std::endl;
    } else {
      for (const v1::Task& task : response.tasks()) {
        std::cout << fmt::format("{:<34} {:<15} {}", task.name(), StateText(task.state()),
                                 task.title())
                  << std::endl;
      }
      if (!response.next_page_token().empty()) std::cout << "..." << std::endl;
    }
  });
}

// Commands whose request is a task's name alone, and whose answer is a task.
template <typename Request, typename Response, typename Call>
CLI::App* AddTaskCall(CLI::App& app, GlobalOptions& global, int& exit_code, const char* name,
                      const char* help, Call call) {
  auto task = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("task", *task, "tasks/ID or ID")->required();
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    Request request;
    request.set_name(TaskName(*task));
    Response response;
    const auto status = call(connection, request, response);
    exit_code = PrintTask(status, response.task(), global);
  });
  return command;
}

void AddRespond(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto name = std::make_shared<std::string>();
  auto text = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("respond", "Answer a question of a task");
  command->add_option("name", *name, "tasks/ID/questions/N, or the task if it asks one")
      ->required();
  command->add_option("answer", *text, "The answer")->required();
  command->add_flag("--answer-json", *as_json, "The answer is JSON");
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    v1::RespondToTaskRequest request;
    request.set_name(TaskName(*name));
    if (*as_json) {
      request.set_json(*text);
    } else {
      request.set_text(*text);
    }
    v1::RespondToTaskResponse response;
    const auto status = connection.tasks().RespondToTask(CallContext().get(), request, &response);
    exit_code = PrintTask(status, response.task(), global);
  });
}

void AddFork(CLI::App& app, GlobalOptions& global, int& exit_code) {
  struct Options {
    std::string name;
    std::string text;
    std::string json;
    std::vector<std::string> models;
    std::vector<std::string> prompts;
    uint64_t seed = 0;
    std::string task_id;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("fork", "Go on from a span of a task, changed");
  command->add_option("name", options->name, "tasks/ID/spans/N, or a task")->required();
  command->add_option("--text", options->text, "What the model or person says there instead");
  command->add_option("--value-json", options->json, "What the tool returns there instead");
  command->add_option("--model", options->models, "A model for a role: ROLE=NAME");
  command->add_option("--prompt", options->prompts, "A prompt's version: PROMPT=VERSION");
  command->add_option("--seed", options->seed, "Another seed");
  command->add_option("--task-id", options->task_id, "The new task's id");
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    v1::ForkTaskRequest request;
    request.set_name(TaskName(options->name));
    request.set_request_id(NewRequestId());
    request.set_task_id(options->task_id);
    request.set_seed(options->seed);
    if (!options->text.empty()) request.set_text(options->text);
    if (!options->json.empty()) request.set_value_json(options->json);
    for (const std::string& text : options->models) {
      const auto [role, model] = KeyValue(text);
      (*request.mutable_models())[role] = model;
    }
    for (const std::string& text : options->prompts) {
      const auto [prompt, version] = KeyValue(text);
      (*request.mutable_prompts())[prompt] = version;
    }
    v1::ForkTaskResponse response;
    const auto status = connection.tasks().ForkTask(CallContext().get(), request, &response);
    exit_code = PrintTask(status, response.task(), global);
  });
}

void AddDelete(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto task = std::make_shared<std::string>();
  auto force = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("delete", "Remove a task with its record and files");
  command->add_option("task", *task, "tasks/ID or ID")->required();
  command->add_flag("--force", *force, "Cancel it first if it has not ended");
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    v1::DeleteTaskRequest request;
    request.set_name(TaskName(*task));
    request.set_force(*force);
    v1::DeleteTaskResponse response;
    exit_code =
        Report(connection.tasks().DeleteTask(CallContext().get(), request, &response), global.json);
  });
}

}  // namespace

void AddTaskCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  AddSubmit(app, global, exit_code);
  AddWatch(app, global, exit_code);
  AddTasks(app, global, exit_code);
  AddTaskCall<v1::GetTaskRequest, v1::GetTaskResponse>(
      app, global, exit_code, "show", "Show a task with its result",
      [](Connection& c, const auto& request, auto& response) {
        return c.tasks().GetTask(CallContext().get(), request, &response);
      });
  AddTaskCall<v1::CancelTaskRequest, v1::CancelTaskResponse>(
      app, global, exit_code, "cancel", "Ask a task to stop",
      [](Connection& c, const auto& request, auto& response) {
        return c.tasks().CancelTask(CallContext().get(), request, &response);
      });
  AddTaskCall<v1::ReplayTaskRequest, v1::ReplayTaskResponse>(
      app, global, exit_code, "replay", "Run an ended task again from its record alone",
      [](Connection& c, const auto& request, auto& response) {
        return c.tasks().ReplayTask(CallContext().get(), request, &response);
      });
  AddRespond(app, global, exit_code);
  AddFork(app, global, exit_code);
  AddDelete(app, global, exit_code);
}

}  // namespace troupe::client
