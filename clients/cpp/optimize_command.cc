// troupe optimize-prompt: improves one of the registry's prompts on a set of tasks, and promotes
// what won on tasks that the search had not seen.
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/prompt_view.h"
#include "clients/cpp/render.h"
#include "clients/cpp/spo_template.h"
#include "clients/cpp/submit.h"
#include "clients/cpp/watch.h"

namespace troupe::client {
namespace {

constexpr char kOrigin[] = "troupe optimize-prompt";

struct OptimizeOptions {
  std::string prompt;
  std::string tasks;
  std::string held_out;
  std::string dataset;
  std::string held_out_dataset;
  QuestionFields fields;
  std::string agent;
  std::string requirements;
  std::string from;
  bool no_promote = false;
  bool no_watch = false;
  int rounds = 0;
  int challengers = 0;
  int sample = 0;
  int votes = 0;
  std::string task_id;
  std::vector<std::string> models;
  int64_t max_calls = 0;
  double max_cost = 0;
  uint64_t seed = 0;
};

// What there was at each step, for --json.
struct Conclusion {
  std::string task;
  std::string win;
  std::string version;
  bool promoted = false;
};

// JSON Lines with a question and, if there is one, the answer that is right.
void AddQuestionsIn(const std::string& path,
                    google::protobuf::RepeatedPtrField<v1::SpoQuestion>& questions) {
  const absl::Status read = ReadQuestions(ReadFile(path), path, questions);
  if (!read.ok()) throw CLI::ValidationError(std::string(read.message()));
}

// What is run on a question: as given, or for a family of prompts that says it itself.
std::string AgentJson(const OptimizeOptions& options) {
  if (!options.agent.empty()) {
    std::error_code ignored;  // JSON is no name that every file system takes
    const bool is_file = std::filesystem::is_regular_file(options.agent, ignored);
    return is_file ? ReadFile(options.agent) : options.agent;
  }
  const std::string id = PromptId(options.prompt);
  for (const char* const kind : {"solve", "cellagent"}) {
    if (!id.starts_with(fmt::format("{}.", kind))) continue;
    return fmt::format(R"({{"{}": {{"request": "{{{{question}}}}"}}}})", kind);
  }
  throw CLI::ValidationError(
      "--agent",
      "say which task a question makes, as {\"solve\": {\"request\": \"{{question}}\"}}");
}

v1::TaskSpec SearchSpec(const OptimizeOptions& options, const v1::PromptVersion& active) {
  v1::TaskSpec spec;
  spec.set_title("Improve " + PromptId(options.prompt));
  v1::SpoSpec& spo = *spec.mutable_spo();
  spo.set_preset(v1::SpoSpec::PRESET_IMPROVED);
  spo.set_prompt(active.template_());
  spo.set_registered_prompt(PromptId(options.prompt));
  spo.set_requirements(options.requirements);
  if (!options.tasks.empty()) AddQuestionsIn(options.tasks, *spo.mutable_questions());
  if (!options.held_out.empty()) AddQuestionsIn(options.held_out, *spo.mutable_held_out());
  if (!options.dataset.empty()) {
    SelectItems(options.dataset, options.fields, *spo.mutable_items());
  }
  if (!options.held_out_dataset.empty()) {
    SelectItems(options.held_out_dataset, options.fields, *spo.mutable_held_out_items());
  }
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(AgentJson(options), spo.mutable_agent());
  if (!parsed.ok()) throw CLI::ValidationError("--agent", std::string(parsed.message()));
  spo.set_rounds(options.rounds);
  spo.set_challengers(options.challengers);
  spo.set_sample(options.sample);
  spo.set_votes(options.votes);
  for (const std::string& text : options.models) {
    const auto [role, model] = KeyValue(text);
    (*spec.mutable_models())[role] = model;
  }
  spec.set_seed(options.seed);
  spec.mutable_budget()->set_max_model_calls(options.max_calls);
  if (options.max_cost > 0) {
    spec.mutable_budget()->set_max_cost_microusd(MicroUsd(options.max_cost));
  }
  return spec;
}

// Submits the search and follows it to its end; "" where an error was reported.
std::string BeginSearch(Connection& connection, const OptimizeOptions& options,
                        const GlobalOptions& global, int& exit_code) {
  v1::GetPromptVersionRequest get;
  get.set_name(VersionName(PromptId(options.prompt)));
  v1::GetPromptVersionResponse active;
  auto status = connection.prompts().GetPromptVersion(CallContext().get(), get, &active);
  if (!status.ok()) {
    exit_code = Report(status, global.json);
    return "";
  }
  v1::SubmitTaskRequest request;
  request.set_request_id(NewRequestId());
  request.set_task_id(options.task_id);
  *request.mutable_spec() = SearchSpec(options, active.version());
  v1::SubmitTaskResponse response;
  status = connection.tasks().SubmitTask(CallContext().get(), request, &response);
  if (!status.ok()) {
    exit_code = Report(status, global.json);
    return "";
  }
  return response.task().name();
}

// The win of the task's result over the text that it began with, if there is one.
const v1::PromptWin* WinOf(const v1::TaskResult& result, const std::string& prompt) {
  const std::string name = "prompts/" + PromptId(prompt);
  const v1::SpoResult& spo = result.spo();
  if (spo.best() < 1 || spo.best() > spo.prompts_size()) return nullptr;
  for (const v1::PromptWin& win : result.wins()) {
    if (win.prompt() == name && win.winner_sha256() == spo.prompts(spo.best() - 1).sha256()) {
      return &win;
    }
  }
  return nullptr;
}

// The version with the text that won: a new one, or the one that has it already.
grpc::Status MakeVersion(Connection& connection, const OptimizeOptions& options,
                         const v1::Task& task, std::string& version) {
  const v1::SpoResult& spo = task.result().spo();
  const v1::SpoPrompt& best = spo.prompts(spo.best() - 1);
  v1::GetPromptRequest get;
  get.set_name("prompts/" + PromptId(options.prompt));
  v1::GetPromptResponse got;
  auto status = connection.prompts().GetPrompt(CallContext().get(), get, &got);
  if (!status.ok()) return status;
  v1::CreatePromptVersionRequest create;
  create.set_parent(get.name());
  for (const v1::PromptVersion& each : got.prompt().versions()) {
    if (each.sha256() == best.sha256()) version = each.name();
    if (each.sha256() == spo.prompts(0).sha256()) create.set_parent_version(each.version());
  }
  if (!version.empty()) return grpc::Status::OK;
  create.set_template_(best.text());
  create.set_origin(kOrigin);
  create.set_note(OneLine(best.modification(), 300));
  create.set_task(task.name());
  create.set_evaluation(task.name());
  v1::CreatePromptVersionResponse created;
  status = connection.prompts().CreatePromptVersion(CallContext().get(), create, &created);
  version = created.version().name();
  return status;
}

grpc::Status PromoteWinner(Connection& connection, const std::string& version,
                           const v1::PromptWin& win, const std::string& task) {
  v1::PromotePromptRequest request;
  request.set_name(version);
  request.set_reason(OneLine(WinText(win), 300));
  request.set_evidence(task);
  v1::PromotePromptResponse response;
  return connection.prompts().PromotePrompt(CallContext().get(), request, &response);
}

void PrintConclusion(const Conclusion& outcome, const GlobalOptions& global) {
  if (global.json) {
    std::cout << nlohmann::json{{"task", outcome.task},
                                {"win", outcome.win},
                                {"version", outcome.version},
                                {"promoted", outcome.promoted}}
                     .dump()
              << std::endl;
    return;
  }
  if (outcome.win.empty()) {
    std::cout << "Nothing won on the held-out tasks: the prompt stays as it is." << std::endl;
    return;
  }
  std::cout << outcome.win << "\n"
            << outcome.version << (outcome.promoted ? " is active now" : " was made") << std::endl;
}

// From the result of a search to a version that is in use.
int Conclude(Connection& connection, const OptimizeOptions& options, const std::string& name,
             const GlobalOptions& global) {
  v1::GetTaskRequest get;
  get.set_name(name);
  v1::GetTaskResponse got;
  auto status = connection.tasks().GetTask(CallContext().get(), get, &got);
  if (!status.ok()) return Report(status, global.json);
  Conclusion outcome;
  outcome.task = name;
  const v1::PromptWin* win = WinOf(got.task().result(), options.prompt);
  if (win != nullptr) {
    outcome.win = WinText(*win);
    status = MakeVersion(connection, options, got.task(), outcome.version);
    if (status.ok() && !options.no_promote) {
      status = PromoteWinner(connection, outcome.version, *win, name);
      outcome.promoted = status.ok();
    }
    if (!status.ok()) return Report(status, global.json);
  }
  PrintConclusion(outcome, global);
  return kExitOk;
}

// The task that --from names; "" where an error was reported. Another kind of task has no win
// either, which must not look like a search in vain.
std::string SearchBegunBefore(Connection& connection, const OptimizeOptions& options,
                              const GlobalOptions& global, int& exit_code) {
  v1::GetTaskRequest get;
  get.set_name(TaskName(options.from));
  v1::GetTaskResponse got;
  const auto status = connection.tasks().GetTask(CallContext().get(), get, &got);
  if (!status.ok()) {
    exit_code = Report(status, global.json);
    return "";
  }
  const std::string prompt = PromptId(options.prompt);
  if (got.task().spec().spo().registered_prompt() != prompt) {
    throw CLI::ValidationError("--from",
                               fmt::format("{} is no search for a better {}", get.name(), prompt));
  }
  return get.name();
}

int OptimizePrompt(const GlobalOptions& global, const OptimizeOptions& options) {
  Connection connection(global.server);
  std::string task;
  int exit_code = kExitOk;
  if (!options.from.empty()) {
    task = SearchBegunBefore(connection, options, global, exit_code);
    if (task.empty()) return exit_code;
  } else {
    if (options.tasks.empty() && options.dataset.empty()) {
      throw CLI::RequiredError("--tasks, --dataset or --from");
    }
    if (options.requirements.empty()) throw CLI::RequiredError("--requirements");
    task = BeginSearch(connection, options, global, exit_code);
    if (task.empty()) return exit_code;
  }
  if (!global.json) std::cout << task << std::endl;
  if (options.no_watch) return kExitOk;
  WatchSettings watch;
  watch.task = task;
  watch.json = global.json;
  // A search that a limit stopped may have a win all the same.
  const int watched = Watch(connection, watch);
  if (watched != kExitOk && watched != kExitStopped) return watched;
  return Conclude(connection, options, task, global);
}

}  // namespace

void AddOptimizeCommand(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<OptimizeOptions>();
  CLI::App* command = app.add_subcommand(
      "optimize-prompt",
      "Improve one of the prompts on a set of tasks, and use what wins on tasks not seen");
  command->add_option("prompt", options->prompt, "As solve.solver")->required();
  auto* tasks = command->add_option(
      "--tasks", options->tasks, "JSON Lines: objects with question and, if there is one, answer");
  command->add_option("--held-out", options->held_out,
                      "More of them, for the last test alone; without, a share of the others");
  auto* dataset =
      command->add_option("--dataset", options->dataset,
                          "The same from a stored data set, beside --tasks: NAME or NAME:SPLIT");
  command->add_option("--held-out-dataset", options->held_out_dataset,
                      "Items of a stored data set for the last test alone");
  AddFieldOptions(*command, options->fields);
  command->add_option("--requirements", options->requirements,
                      "What good answers are, for the judge");
  command->add_option(
      "--agent", options->agent,
      "The task that a question makes: JSON or a file; without, for prompts of solve "
      "{\"solve\": {\"request\": \"{{question}}\"}}, and the like for cellagent");
  command->add_option("--from", options->from, "A search that was begun before, to be concluded")
      ->excludes(tasks)
      ->excludes(dataset);
  command->add_flag("--no-promote", options->no_promote, "Make the version, and do not use it");
  command->add_flag("--no-watch", options->no_watch, "Submit the search and leave it: see --from");
  command->add_option("--rounds", options->rounds, "Rounds at most");
  command->add_option("--challengers", options->challengers,
                      "Prompts that meet the best one in a round");
  command->add_option("--sample", options->sample, "Tasks that are compared at a time");
  command->add_option("--votes", options->votes, "Rounds that a prompt is tried in at most");
  AddList(*command, "--model", options->models, "A model for a role: ROLE=NAME");
  command->add_option("--task-id", options->task_id, "The search's id");
  command->add_option("--max-calls", options->max_calls, "Budget: model calls")->check(AboveZero());
  command->add_option("--max-cost", options->max_cost, "Budget: US dollars")->check(AboveZero());
  command->add_option("--seed", options->seed, "What random draws derive from");
  command->callback([=, &global, &exit_code] { exit_code = OptimizePrompt(global, *options); });
}

}  // namespace troupe::client
