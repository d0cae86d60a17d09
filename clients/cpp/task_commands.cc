#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/render.h"
#include "clients/cpp/watch.h"

namespace troupe::client {

int PrintTask(const grpc::Status& status, const v1::Task& task, const GlobalOptions& global) {
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(task) : TaskText(task)) << std::endl;
  return kExitOk;
}

namespace {

void AddWatch(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto settings = std::make_shared<WatchSettings>();
  CLI::App* command = app.add_subcommand("watch", "Follow a task to its end");
  command->add_option("task", settings->task, "tasks/ID or ID")->required();
  command->add_option("--after", settings->after_sequence, "Leave out events up to this sequence");
  command->add_flag("-q,--quiet", settings->quiet, "States, questions and progress alone");
  command->add_flag("!--no-reconnect", settings->reconnect,
                    "End when the stream breaks, and say why it did");
  command->add_flag("--lines", settings->lines, "One event a line, on a terminal too");
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
  auto page = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("tasks", "List tasks, newest first");
  command->add_option("--filter", *filter, "As: state = RUNNING AND labels.team = bio");
  command->add_option("-n,--limit", *limit, "How many")->capture_default_str();
  command->add_option("--page-token", *page, "Go on after an earlier page (its next_page_token)");
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    request->set_filter(*filter);
    request->set_page_size(*limit);
    request->set_page_token(*page);
    v1::ListTasksResponse response;
    const auto status = connection.tasks().ListTasks(CallContext().get(), *request, &response);
    if (!status.ok()) {
      exit_code = Report(status, global.json);
    } else if (global.json) {
      std::cout << ToJson(response) << std::endl;
    } else {
      for (const v1::Task& task : response.tasks()) {
        std::cout << fmt::format("{:<34} {:<15} {}", task.name(), StateText(task.state()),
                                 OneLine(task.title(), 0))
                  << std::endl;
      }
      if (const std::string& next = response.next_page_token(); !next.empty()) {
        std::cout << "more: --page-token " << next << std::endl;
      }
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

using Json = nlohmann::json;

struct RespondOptions {
  std::string name;
  std::string text;
  bool as_json = false;
  bool approve = false;
  bool approve_all = false;
  std::string deny;
  std::string edit;
  std::string matching;
};

Json ParsedOption(const std::string& option, const std::string& text) {
  Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) throw CLI::ValidationError(option, "is not JSON");
  return parsed;
}

// The decision on a call that the options make; null if they make none.
Json ApprovalOf(const RespondOptions& options, bool denied) {
  if (options.approve) return {{"decision", "approve"}};
  if (denied) return {{"decision", "deny"}, {"reason", options.deny}};
  if (!options.edit.empty()) {
    return {{"decision", "edit"}, {"arguments", ParsedOption("--edit", options.edit)}};
  }
  if (!options.approve_all) return nullptr;
  Json decision = {{"decision", "approve_all"}};
  if (!options.matching.empty()) {
    decision["matching"] = ParsedOption("--matching", options.matching);
  }
  return decision;
}

void AddRespond(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<RespondOptions>();
  CLI::App* command = app.add_subcommand(
      "respond", "Answer a question of a task, or decide on a call that it asks leave for");
  command->add_option("name", options->name, "tasks/ID/questions/N, or the task if it asks one")
      ->required();
  auto* text = command->add_option("answer", options->text, "The answer");
  command->add_flag("--answer-json", options->as_json, "The answer is JSON");
  auto* decision = command->add_option_group("decision", "On a call that waits for approval");
  decision->add_flag("--approve", options->approve, "Make the call");
  auto* deny = decision->add_option("--deny", options->deny,
                                    "Do not make it, and tell the agent this REASON");
  decision->add_option("--edit", options->edit, "Make it with these arguments, as JSON");
  auto* all = decision->add_flag("--approve-all", options->approve_all,
                                 "Make it and all later calls of the tool in this task");
  decision->require_option(0, 1);
  command
      ->add_option("--matching", options->matching,
                   "With --approve-all: those whose arguments fit this JSON Schema")
      ->needs(all);
  command->callback([=, &global, &exit_code] {
    const Json decided = ApprovalOf(*options, deny->count() > 0);
    if (decided.is_null() == (text->count() == 0)) {
      throw CLI::ValidationError("answer", "give one: a text, or a decision such as --approve");
    }
    Connection connection(global.server);
    v1::RespondToTaskRequest request;
    request.set_name(TaskName(options->name));
    if (!decided.is_null()) {
      request.set_json(decided.dump());
    } else if (options->as_json) {
      request.set_json(options->text);
    } else {
      request.set_text(options->text);
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
  CLI::App* command = app.add_subcommand(
      "fork",
      "Go on from any span of a task in a new task, changed.\n"
      "What had ended when the span began is kept as it was; the span itself and what came\n"
      "after is done anew, with the new result, models, prompts or seed. See docs/time-travel.md.");
  command
      ->add_option("name", options->name,
                   "tasks/ID/spans/N, with N as trace shows it; or a task: all that ended is kept")
      ->required();
  CLI::Option* text = command->add_option(
      "--text", options->text, "What the model replies, the tool shows or the person says there");
  CLI::Option* json = command->add_option("--value-json", options->json,
                                          "The same as JSON, of a tool by its result schema");
  json->excludes(text);
  AddList(*command, "--model", options->models, "A model for a role: ROLE=NAME");
  AddList(*command, "--prompt", options->prompts, "A prompt's version: PROMPT=VERSION");
  command->add_option("--seed", options->seed, "Another seed")->check(CLI::NonNegativeNumber);
  command->add_option("--task-id", options->task_id, "The new task's id");
  command->callback([=, &global, &exit_code] {
    Connection connection(global.server);
    v1::ForkTaskRequest request;
    request.set_name(TaskName(options->name));
    request.set_request_id(NewRequestId());
    request.set_task_id(options->task_id);
    request.set_seed(options->seed);
    if (text->count() > 0) request.set_text(options->text);
    if (json->count() > 0) request.set_value_json(options->json);
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
    const auto status = connection.tasks().DeleteTask(CallContext().get(), request, &response);
    exit_code = Report(status, global.json);
    if (status.ok() && global.json) std::cout << ToJson(response) << std::endl;
  });
}

}  // namespace

void AddTaskCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
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
