// The command evaluate: prompts, workflows and agents on the items of a data set.
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <filesystem>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/item_options.h"
#include "clients/cpp/prompt_view.h"
#include "clients/cpp/submit.h"

namespace troupe::client {
namespace {

struct EvaluateOptions {
  ItemOptions items;
  std::string split;
  int limit = 0;
  std::vector<std::string> texts;
  std::vector<std::string> templates;
  std::vector<std::string> registered;
  std::string role;
  double temperature = -1;
  int64_t max_reply_tokens = 0;
  std::string agent;
  std::string agent_prompt;
  WorkflowOnItems workflow;
  std::string parameter;
  JudgeOptions judge;
  int concurrency = 0;
  int repeats = 0;
  std::string baseline;
  double confidence = 0;
  bool no_watch = false;
  std::string spo;
  std::vector<v1::PromptVariant> of_spo;  // what was read of that task
};

bool IsFile(const std::string& text) {
  std::error_code error;
  return std::filesystem::is_regular_file(text, error);
}

// Files give their names to what is in them.
void NameAfterFile(const std::string& given, v1::PromptVariant& variant) {
  if (IsFile(given)) variant.set_name(std::filesystem::path(given).stem().string());
}

// "solve.solver" or "solve.solver@2".
std::string RegisteredName(const std::string& given) {
  const size_t at = given.find('@');
  const std::string prompt = "prompts/" + PromptId(given.substr(0, at));
  return at == std::string::npos ? prompt : prompt + "/versions/" + given.substr(at + 1);
}

void AddVariants(const EvaluateOptions& options, v1::EvaluateSpec& spec) {
  for (const std::string& text : options.texts) {
    v1::PromptVariant* variant = spec.add_variants();
    variant->set_text(TextOrFile(text));
    NameAfterFile(text, *variant);
  }
  for (const std::string& text : options.templates) {
    v1::PromptVariant* variant = spec.add_variants();
    variant->set_template_(TextOrFile(text));
    NameAfterFile(text, *variant);
  }
  for (const std::string& name : options.registered) {
    spec.add_variants()->set_registered(RegisteredName(name));
  }
  for (const v1::PromptVariant& variant : options.of_spo) *spec.add_variants() = variant;
}

// The first prompt and the result of an SPO task, to be tried as that search tried them.
void ReadSpo(EvaluateOptions& options, const GlobalOptions& global) {
  Connection connection(global.server);
  v1::GetTaskRequest get;
  get.set_name(TaskName(options.spo));
  v1::GetTaskResponse got;
  const auto read = connection.tasks().GetTask(CallContext().get(), get, &got);
  if (!read.ok()) throw CLI::ValidationError("--spo", read.error_message());
  const v1::SpoResult& result = got.task().result().spo();
  if (result.best() < 1 || result.best() > result.prompts_size()) {
    throw CLI::ValidationError("--spo", get.name() + " has no result of an SPO task");
  }
  const auto add = [&](const char* name, int number) {
    v1::PromptVariant& variant = options.of_spo.emplace_back();
    variant.set_name(name);
    variant.set_text(result.prompts(number - 1).text());
  };
  add("first", 1);
  if (result.best() > 1) add("result", result.best());
  const bool one_call = options.agent.empty() && options.workflow.file.empty();
  if (one_call && options.temperature < 0) options.temperature = 0;
}

void SetTarget(const EvaluateOptions& options, v1::EvaluateSpec& spec) {
  if (!options.workflow.file.empty()) {
    SetWorkflow(options.workflow, *spec.mutable_workflow());
    spec.mutable_workflow()->set_parameter(options.parameter);
    return;
  }
  if (options.agent.empty()) {
    v1::EvaluatePromptTarget& target = *spec.mutable_prompt();
    target.set_role(options.role);
    if (options.temperature >= 0) target.set_temperature(options.temperature);
    target.set_max_tokens(options.max_reply_tokens);
    return;
  }
  v1::EvaluateAgentTarget& target = *spec.mutable_agent();
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(TextOrFile(options.agent), target.mutable_task());
  if (!parsed.ok()) throw CLI::ValidationError("--agent", std::string(parsed.message()));
  target.set_prompt_name(PromptId(options.agent_prompt));
}

v1::TaskSpec SpecOf(const EvaluateOptions& options) {
  v1::TaskSpec task;
  v1::EvaluateSpec& spec = *task.mutable_evaluate();
  *spec.mutable_items() = SelectionOf(options.items, options.split, options.limit);
  SetTarget(options, spec);
  AddVariants(options, spec);
  *spec.mutable_graders() = GradersOf(options.judge);
  spec.set_concurrency(options.concurrency);
  spec.set_repeats(options.repeats);
  if (!options.baseline.empty()) {
    const bool named = options.baseline.rfind("tasks/", 0) == 0;
    spec.set_baseline(named ? options.baseline : "tasks/" + options.baseline);
  }
  spec.set_confidence(options.confidence);
  return task;
}

}  // namespace

void AddEvaluateCommand(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto evaluate = std::make_shared<EvaluateOptions>();
  CLI::App* command = app.add_subcommand(
      "evaluate",
      "Try prompts, an agent or a workflow on the items of a data set, and watch to the result");
  command
      ->add_option("dataset", evaluate->items.dataset,
                   "NAME or NAME:SPLIT; NAME@DIGEST for an older version")
      ->required();
  command->add_option("--split", evaluate->split, "Items of this split alone");
  command->add_option("-n,--limit", evaluate->limit, "Items at most, drawn by their content");
  AddFieldOptions(*command, evaluate->items);
  AddList(*command, "--text", evaluate->texts,
          "A prompt to try, put before the question: a text or a file; several are compared");
  AddList(*command, "--template", evaluate->templates,
          "A prompt to try, with {{question}} or other fields in it: a text or a file");
  AddList(*command, "--registered", evaluate->registered,
          "A registered prompt to try: NAME or NAME@VERSION");
  command->add_option("--spo", evaluate->spo,
                      "The first prompt and the result of an SPO task, at the temperature of its "
                      "search, which is 0");
  command->add_option("--role", evaluate->role, "The role that answers; without, executor");
  command->add_option("--temperature", evaluate->temperature, "Sampling temperature of the role");
  command->add_option("--max-reply-tokens", evaluate->max_reply_tokens, "Of one answer at most");
  auto* agent = command->add_option("--agent", evaluate->agent,
                                    "A task for each item, as JSON or a file with it: "
                                    "{\"solve\": {\"request\": \"{{question}}\"}}");
  command
      ->add_option("--agent-prompt", evaluate->agent_prompt,
                   "The agent's prompt that the texts stand for, as solve.solver")
      ->needs(agent);
  auto* document =
      command->add_option("--workflow", evaluate->workflow.file, "A workflow for each item: a file")
          ->excludes(agent);
  for (CLI::Option* option : AddWorkflowOptions(*command, evaluate->workflow)) {
    option->needs(document);
  }
  command
      ->add_option("--parameter", evaluate->parameter,
                   "The workflow's parameter that the texts stand for")
      ->needs(document);
  AddJudgeOptions(*command, evaluate->judge);
  command->add_option("-c,--concurrency", evaluate->concurrency, "Runs at the same time");
  command->add_option("--repeats", evaluate->repeats, "Runs on each item");
  command->add_option("--baseline", evaluate->baseline, "An earlier evaluation to compare with");
  command->add_option("--confidence", evaluate->confidence, "Level of the intervals, as 0.95");
  command->add_flag("--no-watch", evaluate->no_watch, "Submit it and return");
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    options->watch = !evaluate->no_watch;
    if (!evaluate->spo.empty()) ReadSpo(*evaluate, global);
    exit_code = Submit(*options, SpecOf(*evaluate), global);
  });
}

}  // namespace troupe::client
