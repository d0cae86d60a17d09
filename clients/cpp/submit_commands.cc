// The commands that submit a task: submit (CellAgent, or any kind from a file), solve, chat.
#include <google/protobuf/util/json_util.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "clients/cpp/commands.h"
#include "clients/cpp/submit.h"

namespace troupe::client {
namespace {

struct CellAgentOptions {
  std::string request;
  std::string spec_file;
  std::string requirements;
  std::string toolbox;
  std::vector<std::string> context;
  int max_steps = 0;
  int max_trials = 0;
  v1::CellAgentSpec::TrialChoice trial_choice = v1::CellAgentSpec::TRIAL_CHOICE_UNSPECIFIED;
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
  cellagent.set_trial_choice(options.trial_choice);
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
  const std::map<std::string, v1::CellAgentSpec::TrialChoice> choices = {
      {"ties", v1::CellAgentSpec::TRIAL_CHOICE_TIES},
      {"score", v1::CellAgentSpec::TRIAL_CHOICE_SCORE},
      {"comparison", v1::CellAgentSpec::TRIAL_CHOICE_COMPARISON}};
  command
      ->add_option(
          "--trial-choice", cellagent->trial_choice,
          "What decides between trials without a metric: the score, compared where several "
          "have the best one (ties), the score alone, or a comparison")
      ->transform(CLI::CheckedTransformer(choices))
      ->type_name("ties|score|comparison");
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

void AddSubmitCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  AddSubmit(app, global, exit_code);
  AddSolve(app, global, exit_code);
  AddChat(app, global, exit_code);
}

}  // namespace troupe::client
