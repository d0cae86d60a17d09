// The command evaluate: prompts, workflows and agents on the items of a data set.
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <filesystem>

#include "clients/cpp/commands.h"
#include "clients/cpp/submit.h"

namespace troupe::client {
namespace {

struct EvaluateOptions {
  std::string dataset;
  std::string split;
  int limit = 0;
  std::string question_field;
  std::string answer_field;
  std::vector<std::string> texts;
  std::vector<std::string> templates;
  std::vector<std::string> registered;
  std::string role;
  double temperature = -1;
  int64_t max_reply_tokens = 0;
  std::string agent;
  std::string agent_prompt;
  std::vector<std::string> graders;
  std::string answer_tag;
  std::string answer_pattern;
  int concurrency = 0;
  int repeats = 0;
  std::string baseline;
  double confidence = 0;
  bool no_watch = false;
};

bool IsFile(const std::string& text) {
  std::error_code error;
  return std::filesystem::is_regular_file(text, error);
}

// Files give their names to what is in them.
void NameAfterFile(const std::string& given, v1::PromptVariant& variant) {
  if (IsFile(given)) variant.set_name(std::filesystem::path(given).stem().string());
}

double NumberOf(const std::string& text, const std::string& value) {
  double number = 0;
  if (value.empty()) return 0;
  if (!CLI::detail::lexical_cast(value, number)) {
    throw CLI::ValidationError(text, "give a number behind =");
  }
  return number;
}

// "numeric=0.01" and so on.
v1::Grader GraderOf(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string kind = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  v1::Grader grader;
  if (kind == "exact") {
    grader.mutable_exact();
  } else if (kind == "normalized") {
    grader.mutable_normalized();
  } else if (kind == "contains") {
    grader.set_name("contains");
    grader.mutable_normalized()->set_contains(true);
  } else if (kind == "numeric") {
    grader.mutable_numeric()->set_absolute_tolerance(NumberOf(text, value));
  } else if (kind == "choice") {
    grader.mutable_choice()->set_choices(static_cast<int>(NumberOf(text, value)));
  } else if (kind == "regex") {
    grader.mutable_regex()->set_pattern(value);
  } else if (kind == "schema") {
    grader.mutable_json_schema()->set_schema(TextOrFile(value));
  } else if (kind == "code") {
    grader.mutable_code()->set_code(TextOrFile(value));
  } else if (kind == "tests") {
    grader.mutable_code()->set_tests_field(value);
  } else if (kind == "rubric") {
    grader.mutable_model()->set_rubric(TextOrFile(value));
  } else {
    throw CLI::ValidationError(
        text,
        "give exact, normalized, contains, numeric[=TOLERANCE], choice[=HOW_MANY], regex[=RE2], "
        "schema=FILE, code=FILE, tests=FIELD or rubric=TEXT");
  }
  return grader;
}

// "solve.solver" or "solve.solver@2".
std::string RegisteredName(const std::string& given) {
  const size_t at = given.find('@');
  const std::string prompt = "prompts/" + given.substr(0, at);
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
}

void SetTarget(const EvaluateOptions& options, v1::EvaluateSpec& spec) {
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
  target.set_prompt_name(options.agent_prompt);
}

v1::TaskSpec SpecOf(const EvaluateOptions& options) {
  v1::TaskSpec task;
  v1::EvaluateSpec& spec = *task.mutable_evaluate();
  v1::DatasetSelection& items = *spec.mutable_items();
  const bool whole = options.dataset.rfind("datasets/", 0) == 0;
  items.set_dataset(whole ? options.dataset : "datasets/" + options.dataset);
  items.set_split(options.split);
  items.set_limit(options.limit);
  items.set_question_field(options.question_field);
  items.set_answer_field(options.answer_field);
  SetTarget(options, spec);
  AddVariants(options, spec);
  for (const std::string& text : options.graders) *spec.add_graders() = GraderOf(text);
  if (spec.graders().empty() && !(options.answer_tag + options.answer_pattern).empty()) {
    spec.add_graders()->mutable_normalized();
  }
  for (v1::Grader& grader : *spec.mutable_graders()) {
    grader.set_answer_tag(options.answer_tag);
    grader.set_answer_pattern(options.answer_pattern);
  }
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
      "evaluate", "Try prompts or an agent on the items of a data set, and watch to the result");
  command->add_option("dataset", evaluate->dataset, "NAME, or NAME@DIGEST for an older version")
      ->required();
  command->add_option("--split", evaluate->split, "Items of this split alone");
  command->add_option("-n,--limit", evaluate->limit, "Items at most, drawn by their content");
  command->add_option("--question-field", evaluate->question_field,
                      "The field that is the question; without, the usual names are looked for");
  command->add_option("--answer-field", evaluate->answer_field,
                      "The field that is the expected answer; likewise");
  AddList(*command, "--text", evaluate->texts,
          "A prompt to try, put before the question: a text or a file; several are compared");
  AddList(*command, "--template", evaluate->templates,
          "A prompt to try, with {{question}} or other fields in it: a text or a file");
  AddList(*command, "--registered", evaluate->registered,
          "A registered prompt to try: NAME or NAME@VERSION");
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
  AddList(*command, "--grader", evaluate->graders,
          "exact, normalized, contains, numeric[=TOLERANCE], choice[=N], regex[=RE2], schema=FILE, "
          "code=FILE, tests=FIELD or rubric=TEXT; several count alike. Without, normalized");
  command->add_option("--answer-tag", evaluate->answer_tag,
                      "Judge what stands in the last tag of this name in an answer");
  command->add_option("--answer-pattern", evaluate->answer_pattern,
                      "Judge the first group of the last match of this RE2 in an answer");
  command->add_option("-c,--concurrency", evaluate->concurrency, "Runs at the same time");
  command->add_option("--repeats", evaluate->repeats, "Runs on each item");
  command->add_option("--baseline", evaluate->baseline, "An earlier evaluation to compare with");
  command->add_option("--confidence", evaluate->confidence, "Level of the intervals, as 0.95");
  command->add_flag("--no-watch", evaluate->no_watch, "Submit it and return");
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    options->watch = !evaluate->no_watch;
    exit_code = Submit(*options, SpecOf(*evaluate), global);
  });
}

}  // namespace troupe::client
