#include "agents/trace/trainers/optimize_workflow_spec.h"

#include <fmt/format.h>

#include "agents/evaluate/item_selection.h"
#include "agents/evaluate/workflow_target.h"
#include "agents/trace/optimizer_config.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxObjective = 8 * 1024;
constexpr size_t kMaxTrainItems = 1000;
constexpr size_t kMaxTestItems = 5000;

absl::Status CheckChoices(const v1::OptimizeWorkflowSpec& spec) {
  if (!v1::OptimizeWorkflowSpec::Trainer_IsValid(spec.trainer())) {
    return WrongOptimize("trainer", "there is no such trainer");
  }
  if (!v1::OptimizeWorkflowSpec::Optimizer_IsValid(spec.optimizer())) {
    return WrongOptimize("optimizer", "there is no such optimizer");
  }
  if (spec.has_optimizer_candidates()) {
    if (spec.optimizer() != v1::OptimizeWorkflowSpec::OPTIMIZER_OPTO_PRIME_MULTI) {
      return WrongOptimize("optimizer_candidates", "is for OPTIMIZER_OPTO_PRIME_MULTI alone");
    }
    RETURN_IF_ERROR(CheckOptimizerCandidates(spec.optimizer_candidates(),
                                             "spec.optimize_workflow.optimizer_candidates"));
  }
  if (spec.objective().size() > kMaxObjective) return WrongOptimize("objective", "at most 8 KiB");
  const auto outside = [](double value, double most) { return !(value >= 0 && value <= most); };
  if (spec.has_target_score() && outside(spec.target_score(), 1)) {
    return WrongOptimize("target_score", "give 0 to 1");
  }
  if (spec.has_exploration() && outside(spec.exploration(), 10)) {
    return WrongOptimize("exploration", "give 0 to 10");
  }
  if (spec.has_novelty() && outside(spec.novelty(), 2)) {
    return WrongOptimize("novelty", "give 0 to 2");
  }
  return absl::OkStatus();
}

// The fields of a selection's items, with whether there are answers.
absl::StatusOr<FoundItems> CheckSelection(const v1::OptimizeWorkflowSpec& spec,
                                          std::string_view field,
                                          const v1::DatasetSelection& selection, size_t most,
                                          const GraderSet& graders, const DatasetSource& datasets) {
  if (selection.limit() < 0) {
    return WrongOptimize(fmt::format("{}.limit", field), "must not be negative");
  }
  auto found = FindItems(datasets, SelectionOf(selection));
  if (!found.ok()) return OfSelection(SelectionPlace(field), found.status());
  if (found->numbers.size() > most) {
    return WrongOptimize(
        fmt::format("{}.limit", field),
        fmt::format("there are {} items, over {}: set a limit", found->numbers.size(), most));
  }
  if (found->numbers.empty()) {
    return WrongOptimize(fmt::format("{}.dataset", field), "it has no such items");
  }
  RETURN_IF_ERROR(graders.CheckItems(found->dataset.fields, !found->fields.answer.empty()));
  const std::map<std::string, std::string> given(spec.inputs().begin(), spec.inputs().end());
  auto inputs = MatchInputs(spec.workflow(), given, found->dataset.fields);
  if (!inputs.ok()) return WrongOptimize("inputs", MessageOf(inputs.status()));
  for (const auto& [input, of_item] : *inputs) {
    if (of_item == found->fields.answer) {
      return WrongOptimize("inputs", fmt::format("the input '{}' is the answer that is expected, "
                                                 "which a workflow must not see",
                                                 input));
    }
  }
  return found;
}

// The one in which all trainable code is, which can be parsed before it is taken.
v1::OptimizerConfig::Language LanguageOf(const v1::Workflow& workflow) {
  bool python = false;
  bool r = false;
  for (const auto& [name, parameter] : workflow.parameters()) {
    if (!parameter.has_code() || !parameter.trainable()) continue;
    const bool is_r = parameter.code().language() == v1::WorkflowCode::LANGUAGE_R;
    (is_r ? r : python) = true;
  }
  if (python == r) return v1::OptimizerConfig::LANGUAGE_OTHER;
  return r ? v1::OptimizerConfig::LANGUAGE_R : v1::OptimizerConfig::LANGUAGE_PYTHON;
}

}  // namespace

absl::Status WrongOptimize(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.optimize_workflow.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

std::string SelectionPlace(std::string_view name) {
  return fmt::format("spec.optimize_workflow.{}", name);
}

absl::Status CheckOptimizeNumbers(const v1::OptimizeWorkflowSpec& spec) {
  struct Range {
    std::string_view field;
    int64_t value;
    int64_t most;
    std::string_view hint;
  };
  for (const Range& range :
       {Range{"steps", spec.steps(), 200, "give 1 to 200, or 0 for 10"},
        Range{"batch", spec.batch(), 50, "give 1 to 50, or 0 for 3"},
        Range{"candidates", spec.candidates(), 20, "give 1 to 20, or 0 for 3"},
        Range{"proposals", spec.proposals(), 10, "give 1 to 10, or 0 for 1"},
        Range{"validation_batch", spec.validation_batch(), 1000, "give 0 to 1,000"},
        Range{"patience", spec.patience(), 200, "give 1 to 200, or 0 for 4"},
        Range{"max_runs", spec.max_runs(), int64_t{1} << 40, "must not be negative"},
        Range{"memory", spec.memory(), 50, "give 1 to 50, or 0 for 5"},
        Range{"concurrency", spec.concurrency(), 256, "give 1 to 256, or 0 for 16"}}) {
    if (range.value < 0 || range.value > range.most) return WrongOptimize(range.field, range.hint);
  }
  return CheckChoices(spec);
}

absl::Status CheckOptimizeItems(const v1::OptimizeWorkflowSpec& spec,
                                const DatasetSource& datasets) {
  ASSIGN_OR_RETURN(const GraderSet graders, OptimizeGraders(spec));
  if (!spec.has_train()) {
    return WrongOptimize("train.dataset", "name a data set, as datasets/navigate");
  }
  RETURN_IF_ERROR(
      CheckSelection(spec, "train", spec.train(), kMaxTrainItems, graders, datasets).status());
  if (spec.has_validation()) {
    RETURN_IF_ERROR(
        CheckSelection(spec, "validation", spec.validation(), kMaxTrainItems, graders, datasets)
            .status());
  }
  if (!spec.has_test()) return absl::OkStatus();
  return CheckSelection(spec, "test", spec.test(), kMaxTestItems, graders, datasets).status();
}

absl::StatusOr<GraderSet> OptimizeGraders(const v1::OptimizeWorkflowSpec& spec) {
  auto graders = spec.graders();
  if (graders.empty()) graders.Add()->mutable_normalized();
  return GraderSet::Make(graders, "spec.optimize_workflow.graders");
}

v1::OptimizerConfig OptimizerConfigOf(const v1::OptimizeWorkflowSpec& spec) {
  using Spec = v1::OptimizeWorkflowSpec;
  using Config = v1::OptimizerConfig;
  Config config;
  config.set_algorithm(Config::ALGORITHM_OPTOPRIME);
  if (spec.optimizer() == Spec::OPTIMIZER_OPTO_PRIME_TAGS) {
    config.set_form(Config::FORM_TAGS);
  } else if (spec.optimizer() == Spec::OPTIMIZER_OPTO_PRIME_MULTI) {
    config.set_algorithm(Config::ALGORITHM_OPTOPRIME_MULTI);
    *config.mutable_candidates() = spec.optimizer_candidates();
  } else if (spec.optimizer() == Spec::OPTIMIZER_OPRO) {
    config.set_algorithm(Config::ALGORITHM_OPRO);
  } else if (spec.optimizer() == Spec::OPTIMIZER_TEXTGRAD) {
    config.set_algorithm(Config::ALGORITHM_TEXTGRAD);
  }
  config.set_language(LanguageOf(spec.workflow()));
  return config;
}

TrainerOptions TrainerOptionsOf(const v1::OptimizeWorkflowSpec& spec) {
  TrainerOptions options;
  switch (spec.trainer()) {
    case v1::OptimizeWorkflowSpec::TRAINER_BASIC:
      options.kind = TrainerKind::kBasic;
      break;
    case v1::OptimizeWorkflowSpec::TRAINER_MINIBATCH:
      options.kind = TrainerKind::kMinibatch;
      break;
    case v1::OptimizeWorkflowSpec::TRAINER_BEAM_SEARCH:
      options.kind = TrainerKind::kBeamSearch;
      break;
    case v1::OptimizeWorkflowSpec::TRAINER_UCB_SEARCH:
      options.kind = TrainerKind::kUcbSearch;
      break;
    case v1::OptimizeWorkflowSpec::TRAINER_GEPA:
      options.kind = TrainerKind::kGepa;
      break;
    default:
      break;
  }
  if (spec.steps() > 0) options.steps = spec.steps();
  if (spec.batch() > 0) options.batch = static_cast<size_t>(spec.batch());
  if (spec.candidates() > 0) options.candidates = static_cast<size_t>(spec.candidates());
  if (spec.proposals() > 0) options.proposals = static_cast<size_t>(spec.proposals());
  options.validation_batch = static_cast<size_t>(spec.validation_batch());
  if (spec.patience() > 0) options.patience = spec.patience();
  if (spec.has_target_score()) options.target = spec.target_score();
  if (spec.has_exploration()) options.exploration = spec.exploration();
  if (spec.has_novelty()) options.novelty = spec.novelty();
  options.summarize = spec.summarize();
  return options;
}

}  // namespace troupe
