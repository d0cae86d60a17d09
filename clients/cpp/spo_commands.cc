// The commands that improve and compare by judgement: spo, compare.
#include <filesystem>

#include "clients/cpp/commands.h"
#include "clients/cpp/spo_template.h"
#include "clients/cpp/submit.h"

namespace troupe::client {
namespace {

struct SpoOptions {
  std::string template_file;
  bool faithful = false;
  std::string describe;
  std::string prompt;
  std::string requirements;
  std::vector<std::string> questions;
  std::string questions_file;
  std::string held_out_file;
  std::string dataset;
  std::string held_out_dataset;
  QuestionFields fields;
  int rounds = 0;
  int sample = 0;
  int votes = 0;
  int challengers = 0;
  int patience = 0;
  int max_words = 0;
  bool no_watch = false;
};

struct CompareOptions {
  std::vector<std::string> files;
  std::string requirements;
  std::string question;
  std::string reference;
  int votes = 0;
  bool ranking = false;
  bool no_watch = false;
};

void Check(const absl::Status& read) {
  if (!read.ok()) throw CLI::ValidationError(std::string(read.message()));
}

v1::TaskSpec SpecOf(const SpoOptions& options) {
  v1::TaskSpec spec;
  v1::SpoSpec& spo = *spec.mutable_spo();
  if (!options.template_file.empty()) {
    Check(ReadSpoTemplate(ReadFile(options.template_file), options.template_file, spo));
  }
  if (options.faithful) spo.set_preset(v1::SpoSpec::PRESET_FAITHFUL);
  if (!options.describe.empty()) spo.set_description(options.describe);
  if (!options.prompt.empty()) spo.set_prompt(TextOrFile(options.prompt));
  if (!options.requirements.empty()) spo.set_requirements(TextOrFile(options.requirements));
  for (const std::string& question : options.questions) {
    spo.add_questions()->set_question(question);
  }
  if (!options.questions_file.empty()) {
    Check(ReadQuestions(ReadFile(options.questions_file), options.questions_file,
                        *spo.mutable_questions()));
  }
  if (!options.held_out_file.empty()) {
    Check(ReadQuestions(ReadFile(options.held_out_file), options.held_out_file,
                        *spo.mutable_held_out()));
  }
  if (!options.dataset.empty()) {
    SelectItems(options.dataset, options.fields, *spo.mutable_items());
  }
  if (!options.held_out_dataset.empty()) {
    SelectItems(options.held_out_dataset, options.fields, *spo.mutable_held_out_items());
  }
  spo.set_rounds(options.rounds);
  spo.set_sample(options.sample);
  spo.set_votes(options.votes);
  spo.set_challengers(options.challengers);
  spo.set_patience(options.patience);
  if (options.max_words != 0) spo.set_max_prompt_words(options.max_words);
  return spec;
}

v1::TaskSpec SpecOf(const CompareOptions& options) {
  v1::TaskSpec spec;
  v1::CompareSpec& compare = *spec.mutable_compare();
  compare.set_requirements(TextOrFile(options.requirements));
  compare.set_question(TextOrFile(options.question));
  compare.set_reference(TextOrFile(options.reference));
  compare.set_votes(options.votes);
  if (options.ranking) compare.set_form(v1::CompareSpec::FORM_RANKING);
  for (const std::string& file : options.files) {
    v1::CompareCandidate& candidate = *compare.add_candidates();
    candidate.set_name(file);
    candidate.set_text(ReadFile(file));
  }
  return spec;
}

void AddSpo(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto spo = std::make_shared<SpoOptions>();
  CLI::App* command = app.add_subcommand(
      "spo", "Improve a prompt by comparing the answers that it brings, and watch it");
  command->add_option("template", spo->template_file, "A task template of SPO (YAML)");
  command->add_flag("--faithful", spo->faithful, "Search exactly as published");
  command->add_option("--describe", spo->describe,
                      "What the prompt is for: what else is needed is written from it");
  command->add_option("--start", spo->prompt, "The prompt to begin with, or a file with it");
  command->add_option("--requirements", spo->requirements,
                      "What good answers are, or a file that tells it");
  AddList(*command, "-q,--question", spo->questions, "A question to search with");
  command->add_option("--questions", spo->questions_file,
                      "A file of questions, beside those of the template: JSON Lines with question "
                      "(or input ...) and, if known, answer (or target ...)");
  command->add_option("--held-out", spo->held_out_file,
                      "A file of questions for the final tournament alone");
  command->add_option("--dataset", spo->dataset,
                      "Questions of a stored data set, beside the others: NAME or NAME:SPLIT");
  command->add_option("--held-out-dataset", spo->held_out_dataset,
                      "The same for the final tournament alone");
  AddFieldOptions(*command, spo->fields);
  command->add_option("--rounds", spo->rounds, "Rounds at most (10)");
  command->add_option(
      "--sample", spo->sample,
      "Questions that are compared at a time (2, with few calls 1 or 2; --faithful: 3)");
  command->add_option("--votes", spo->votes,
                      "Rounds that a prompt is tried in (5); --faithful: votes (4)");
  command->add_option(
      "--challengers", spo->challengers,
      "Prompts that meet the first and the best one in a round (10, with few calls 14)");
  command->add_option("--patience", spo->patience, "Rounds without gain that end the search (3)");
  command->add_option("--max-words", spo->max_words, "Words that a prompt may have");
  command->add_flag("--no-watch", spo->no_watch, "Submit it and return");
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    options->watch = !spo->no_watch;
    exit_code = Submit(*options, SpecOf(*spo), global);
  });
}

void AddCompare(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto compare = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand("compare", "Have a model judge texts against each other");
  command->add_option("file", compare->files, "Files with the texts; 2 to 16")->required();
  command
      ->add_option("--requirements", compare->requirements,
                   "What makes one better than another, or a file that tells it")
      ->required();
  command->add_option("--question", compare->question, "What they answer, or a file with it");
  command->add_option("--reference", compare->reference, "The right answer, or a file with it");
  command->add_option("--votes", compare->votes, "Effective votes on two texts at most (3)");
  command->add_flag("--ranking", compare->ranking, "Rank all at once, not two at a time");
  command->add_flag("--no-watch", compare->no_watch, "Submit it and return");
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    options->watch = !compare->no_watch;
    exit_code = Submit(*options, SpecOf(*compare), global);
  });
}

}  // namespace

void AddFieldOptions(CLI::App& command, QuestionFields& fields) {
  command.add_option("--question-field", fields.question,
                     "The field of the data set that is the question; without, as in evaluate");
  command.add_option("--answer-field", fields.answer, "The field that is the answer; likewise");
  command.add_option("--limit", fields.limit,
                     "Items of a data set at most, drawn by their content");
}

void AddSpoCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  AddSpo(app, global, exit_code);
  AddCompare(app, global, exit_code);
}

}  // namespace troupe::client
