// The command optimize-workflow: prompts, values and code of a workflow, trained on a data set.
#include <fmt/format.h>

#include "clients/cpp/commands.h"
#include "clients/cpp/item_options.h"
#include "clients/cpp/submit.h"

namespace troupe::client {
namespace {

struct TrainOptions {
  WorkflowOnItems workflow;
  ItemOptions items;
  std::string train_split;
  std::string validation_split;
  std::string test_split;
  int train_limit = 0;
  int validation_limit = 0;
  int test_limit = 0;
  JudgeOptions judge;
  std::string objective;
  std::string trainer;
  std::string optimizer;
  int several = 0;
  std::string generation;
  std::string selection;
  int steps = 0;
  int batch = 0;
  int candidates = 0;
  int proposals = 0;
  int validation_batch = 0;
  int patience = 0;
  int64_t max_runs = 0;
  double target = -1;
  int memory = 0;
  double exploration = -1;
  double novelty = -1;
  bool summarize = false;
  int concurrency = 0;
  bool no_watch = false;
};

// "gepa" for TRAINER_GEPA, and so on.
template <typename ParseFn, typename Enum>
Enum Named(const std::string& option, const std::string& prefix, const std::string& given,
           ParseFn parse, Enum none) {
  if (given.empty()) return none;
  std::string name = prefix;
  for (const char c : given) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  if (!parse(name, &none)) {
    throw CLI::ValidationError(option, fmt::format("there is no {}", given));
  }
  return none;
}

void SetCandidates(const TrainOptions& options, v1::OptimizeWorkflowSpec& spec) {
  if (options.several == 0 && options.generation.empty() && options.selection.empty()) return;
  using Candidates = v1::OptimizerCandidates;
  Candidates& candidates = *spec.mutable_optimizer_candidates();
  candidates.set_count(options.several);
  candidates.set_generation(Named("--generation", "GENERATION_", options.generation,
                                  &Candidates::Generation_Parse,
                                  Candidates::GENERATION_UNSPECIFIED));
  candidates.set_selection(Named("--selection", "SELECTION_", options.selection,
                                 &Candidates::Selection_Parse, Candidates::SELECTION_UNSPECIFIED));
}

void SetTraining(const TrainOptions& options, v1::OptimizeWorkflowSpec& spec) {
  spec.set_trainer(Named("--trainer", "TRAINER_", options.trainer,
                         &v1::OptimizeWorkflowSpec::Trainer_Parse,
                         v1::OptimizeWorkflowSpec::TRAINER_UNSPECIFIED));
  spec.set_optimizer(Named("--optimizer", "OPTIMIZER_", options.optimizer,
                           &v1::OptimizeWorkflowSpec::Optimizer_Parse,
                           v1::OptimizeWorkflowSpec::OPTIMIZER_UNSPECIFIED));
  SetCandidates(options, spec);
  spec.set_steps(options.steps);
  spec.set_batch(options.batch);
  spec.set_candidates(options.candidates);
  spec.set_proposals(options.proposals);
  spec.set_validation_batch(options.validation_batch);
  spec.set_patience(options.patience);
  spec.set_max_runs(options.max_runs);
  if (options.target >= 0) spec.set_target_score(options.target);
  spec.set_memory(options.memory);
  if (options.exploration >= 0) spec.set_exploration(options.exploration);
  if (options.novelty >= 0) spec.set_novelty(options.novelty);
  spec.set_summarize(options.summarize);
  spec.set_concurrency(options.concurrency);
}

v1::TaskSpec SpecOf(const TrainOptions& options) {
  v1::TaskSpec task;
  v1::OptimizeWorkflowSpec& spec = *task.mutable_optimize_workflow();
  SetWorkflow(options.workflow, spec);
  *spec.mutable_train() = SelectionOf(options.items, options.train_split, options.train_limit);
  if (!options.validation_split.empty()) {
    *spec.mutable_validation() =
        SelectionOf(options.items, options.validation_split, options.validation_limit);
  }
  if (!options.test_split.empty()) {
    *spec.mutable_test() = SelectionOf(options.items, options.test_split, options.test_limit);
  }
  *spec.mutable_graders() = GradersOf(options.judge);
  spec.set_objective(options.objective.empty() ? "" : TextOrFile(options.objective));
  SetTraining(options, spec);
  return task;
}

void AddItemOptions(CLI::App& command, TrainOptions& options) {
  command.add_option("file", options.workflow.file, "The workflow, in YAML or JSON")->required();
  command
      .add_option("--dataset", options.items.dataset, "NAME, or NAME@DIGEST for an older version")
      ->required();
  command.add_option("--train-split", options.train_split, "Learn from this split; without, all");
  command.add_option("--validation-split", options.validation_split,
                     "Compare candidates on this split; without, a third of the training items");
  command.add_option("--test-split", options.test_split,
                     "Compare the first and the best values on this split in the end");
  command.add_option("--train-limit", options.train_limit, "Training items at most");
  command.add_option("--validation-limit", options.validation_limit, "Validation items at most");
  command.add_option("--test-limit", options.test_limit, "Test items at most");
  AddFieldOptions(command, options.items);
  AddWorkflowOptions(command, options.workflow);
  AddJudgeOptions(command, options.judge);
}

void AddTrainingOptions(CLI::App& command, TrainOptions& options) {
  command.add_option("--objective", options.objective, "What the optimizer is to do: text or file");
  command.add_option("--trainer", options.trainer,
                     "priority_search (without), basic, minibatch, beam_search, ucb_search, gepa");
  command.add_option("--optimizer", options.optimizer,
                     "opto_prime (without), opto_prime_tags, opto_prime_multi, opro, textgrad");
  command.add_option("--several", options.several, "Proposals of which opto_prime_multi takes one");
  command.add_option("--generation", options.generation,
                     "How these differ: temperature (without), refinement, alternatives, experts");
  command.add_option("--selection", options.selection,
                     "How one of them is taken: best (without), merge, majority, last");
  command.add_option("--steps", options.steps, "Steps at most");
  command.add_option("--batch", options.batch, "Training items that a proposal is made from");
  command.add_option("--candidates", options.candidates, "Candidates gone on from in a step");
  command.add_option("--proposals", options.proposals, "Candidates made from each in a step");
  command.add_option("--validation-batch", options.validation_batch,
                     "Validation items for a first look at a candidate; without, all");
  command.add_option("--patience", options.patience, "Steps without gain after which it ends");
  command.add_option("--max-runs", options.max_runs, "Runs of the workflow in training at most");
  command.add_option("--target", options.target, "Mean score on validation at which it ends");
  command.add_option("--memory", options.memory, "Past changes that the optimizer is shown");
  command.add_option("--exploration", options.exploration, "Weight of what is not known yet");
  command.add_option("--novelty", options.novelty,
                     "Distance from known candidates up to which a new one is left out");
  command.add_flag("--summarize", options.summarize, "Sum up for the optimizer what was tried");
  command.add_option("-c,--concurrency", options.concurrency, "Runs at the same time");
  command.add_flag("--no-watch", options.no_watch, "Submit it and return");
}

}  // namespace

void AddOptimizeWorkflowCommand(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  auto train = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand(
      "optimize-workflow",
      "Train the prompts, values and code of a workflow on a data set, and watch to the result");
  AddItemOptions(*command, *train);
  AddTrainingOptions(*command, *train);
  AddCommonOptions(*command, *options);
  command->callback([=, &global, &exit_code] {
    options->watch = !train->no_watch;
    exit_code = Submit(*options, SpecOf(*train), global);
  });
}

}  // namespace troupe::client
