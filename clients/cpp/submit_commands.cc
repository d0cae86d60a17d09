// The commands that submit a task: submit (CellAgent, or any kind from a file), solve, chat.
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

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

// What tasks of all kinds have.
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

struct CellAgentOptions {
  std::string request;
  std::string spec_file;
  std::string requirements;
  std::string toolbox;
  std::vector<std::string> context;
  int max_steps = 0;
  int max_trials = 0;
  int max_attempts = 0;
  bool ask = false;
  bool vision = false;
};

struct ChatOptions {
  std::vector<std::string> turns;
  std::string system;
  std::vector<std::string> tools;
  int max_rounds = 0;
};

struct SolveOptions {
  std::string request;
  std::string instructions;
  std::vector<std::string> tools;
  bool no_tools = false;
  bool ask_user = false;
  std::string answer_schema;
  bool plan = false;
  int reviews = 0;
  int max_rounds = 0;
  bool json_calls = false;
  bool no_watch = false;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw CLI::ValidationError(path, "cannot be opened");
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

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
    role.set_max_cost_microusd(static_cast<int64_t>(number * 1e6));
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
    budget.set_max_cost_microusd(static_cast<int64_t>(options.max_cost * 1e6));
  }
  for (const std::string& text : options.role_budgets) AddRoleBudget(text, budget);
  if (options.timeout > 0) spec.mutable_timeout()->set_seconds(options.timeout);
  if (options.seed > 0) spec.set_seed(options.seed);
  AddInputs(options, spec);
}

v1::TaskSpec SpecOf(const CellAgentOptions& options) {
  v1::TaskSpec spec;
  if (!options.spec_file.empty()) {
    const auto parsed =
        google::protobuf::util::JsonStringToMessage(ReadFile(options.spec_file), &spec);
    if (!parsed.ok()) {
      throw CLI::ValidationError(options.spec_file, std::string(parsed.message()));
    }
    return spec;
  }
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
  return spec;
}

v1::TaskSpec SpecOf(const ChatOptions& options) {
  v1::TaskSpec spec;
  v1::ChatSpec& chat = *spec.mutable_chat();
  chat.set_system(options.system);
  for (const std::string& turn : options.turns) chat.add_turns(turn);
  for (const std::string& tool : options.tools) chat.add_tools(tool);
  chat.set_max_rounds(options.max_rounds);
  return spec;
}

// "a,b" as two tools; what is given more than once is added.
void AddTools(const std::vector<std::string>& lists, v1::SolveSpec& solve) {
  for (const std::string& list : lists) {
    std::istringstream names(list);
    for (std::string name; std::getline(names, name, ',');) {
      if (!name.empty()) solve.add_tools(name);
    }
  }
}

v1::TaskSpec SpecOf(const SolveOptions& options) {
  v1::TaskSpec spec;
  v1::SolveSpec& solve = *spec.mutable_solve();
  solve.set_request(options.request);
  solve.set_instructions(options.instructions);
  AddTools(options.tools, solve);
  if (options.tools.empty() && !options.no_tools) solve.add_tools("*");
  if (options.ask_user) solve.add_tools("ask_user");
  const std::string& schema = options.answer_schema;
  solve.set_answer_schema(std::filesystem::is_regular_file(schema) ? ReadFile(schema) : schema);
  solve.set_plan(options.plan);
  solve.set_max_reviews(options.reviews);
  solve.set_max_rounds(options.max_rounds);
  if (options.json_calls) solve.set_call_form(v1::SolveSpec::CALL_FORM_JSON);
  return spec;
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
  command.add_option("--max-calls", options.max_calls, "Budget: model calls");
  command.add_option("--max-tool-calls", options.max_tool_calls, "Budget: tool calls");
  command.add_option("--max-tokens", options.max_tokens, "Budget: tokens");
  command.add_option("--max-cost", options.max_cost, "Budget: US dollars");
  AddList(command, "--role-budget", options.role_budgets,
          "Budget of a role: ROLE.calls=N, ROLE.tokens=N, ROLE.cost=DOLLARS or ROLE.seconds=N");
  command.add_option("--timeout", options.timeout, "Seconds that the task may take");
  command.add_option("--seed", options.seed, "What random draws derive from");
  command.add_flag("-w,--watch", options.watch, "Watch it to its end and show the result");
}

void AddSubmit(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto cellagent = std::make_shared<CellAgentOptions>();
  CLI::App* command = app.add_subcommand(
      "submit", "Submit an analysis (CellAgent), or a task of any kind by --spec");
  auto* request = command->add_option("request", cellagent->request, "What to find out, in words");
  auto* spec = command->add_option("--spec", cellagent->spec_file,
                                   "A TaskSpec as JSON, of any kind, in place of a request");
  request->excludes(spec);
  command->add_option("--requirements", cellagent->requirements, "Constraints on how");
  command->add_option("--toolbox", cellagent->toolbox,
                      "Domain knowledge: single_cell, tabular ...");
  AddList(*command, "--context", cellagent->context, "What is known: KEY=VALUE");
  command->add_option("--max-steps", cellagent->max_steps, "Steps of the plan at most");
  command->add_option("--max-trials", cellagent->max_trials, "Trials of a step at most");
  command->add_option("--max-attempts", cellagent->max_attempts, "Attempts of a trial at most");
  command->add_flag("--ask", cellagent->ask, "Let the planner ask a question first");
  command->add_flag("--vision", cellagent->vision, "Show figures to the evaluator");
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    if (cellagent->request.empty() && cellagent->spec_file.empty()) {
      throw CLI::RequiredError("request");
    }
    exit_code = Submit(*options, SpecOf(*cellagent), global);
  });
}

void AddChat(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto chat = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "Submit a conversation with a model and tools");
  command->add_option("turn", chat->turns, "What you say; several are said one after another")
      ->required();
  command->add_option("--system", chat->system, "What the model is told before all else");
  AddList(*command, "--tool", chat->tools, "A tool that the model may call (troupe tools)");
  command->add_option("--max-rounds", chat->max_rounds, "Rounds of tool calls in a turn at most");
  AddCommonOptions(*command, *options);
  command->callback(
      [=, &global, &exit_code] { exit_code = Submit(*options, SpecOf(*chat), global); });
}

void AddSolve(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto solve = std::make_shared<SolveOptions>();
  CLI::App* command = app.add_subcommand(
      "solve", "Have an agent with tools work on a question, and watch it to its answer");
  command->add_option("request", solve->request, "What to find out or to do, in words")->required();
  auto* tools = AddList(*command, "-t,--tools", solve->tools,
                        "Tools that it may call: A,B or patterns such as files.*; without, all");
  command->add_flag("--no-tools", solve->no_tools, "It may call none")->excludes(tools);
  command->add_flag("--ask-user", solve->ask_user, "It may ask you questions (troupe respond)");
  command->add_option("--instructions", solve->instructions, "What else it is to keep to");
  command->add_option("--answer-schema", solve->answer_schema,
                      "JSON Schema of the answer, or a file with one");
  command->add_flag("--plan", solve->plan, "It makes a plan first");
  command->add_option("--reviews", solve->reviews,
                      "Times that an evaluator may send its answer back");
  command->add_option("--max-rounds", solve->max_rounds, "Rounds of calls at most");
  command->add_flag("--json-calls", solve->json_calls,
                    "It calls tools by JSON in its text: for models without tool calls");
  command->add_flag("--no-watch", solve->no_watch, "Submit it and return");
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    options->watch = !solve->no_watch;
    exit_code = Submit(*options, SpecOf(*solve), global);
  });
}

}  // namespace

CLI::Option* AddList(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                     const std::string& help) {
  return command.add_option(name, values, help)->allow_extra_args(false);
}

std::pair<std::string, std::string> KeyValue(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw CLI::ValidationError(text, "give it as KEY=VALUE");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void AddSubmitCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  AddSubmit(app, global, exit_code);
  AddSolve(app, global, exit_code);
  AddChat(app, global, exit_code);
}

}  // namespace troupe::client
