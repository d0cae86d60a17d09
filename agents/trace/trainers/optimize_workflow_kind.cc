#include "agents/trace/trainers/optimize_workflow_kind.h"

#include <fmt/format.h>

#include "agents/evaluate/item_selection.h"
#include "agents/evaluate/workflow_target.h"
#include "agents/runtime/task_result.h"
#include "agents/trace/optimizer_config.h"
#include "agents/trace/trainers/optimize_workflow.h"
#include "agents/trace/trainers/optimize_workflow_report.h"
#include "agents/trace/trainers/optimize_workflow_spec.h"
#include "agents/workflow/check.h"
#include "agents/workflow/operations.h"
#include "agents/workflow/parameter.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kWorkflowField[] = "spec.optimize_workflow.workflow";

Async<std::vector<Item>> LoadItems(const Scope& task, std::string name, const DatasetSource* source,
                                   v1::DatasetSelection selection,
                                   std::vector<std::string>* fields) {
  Scope scope = task.Open("items", name, "Read the items: " + name);
  auto opened = co_await ItemReader::Open(scope, source, SelectionOf(selection));
  CO_RETURN_IF_ERROR(OfSelection(SelectionPlace(name), opened.status()));
  const std::shared_ptr<ItemReader> reader = *std::move(opened);
  if (fields != nullptr) *fields = reader->field_names();
  std::vector<Item> items;
  for (size_t i = 0; i < reader->numbers().size(); ++i) {
    CO_ASSIGN_OR_RETURN(Item item, co_await reader->Read(scope, i));
    items.push_back(std::move(item));
  }
  scope.End();
  co_return items;
}

// A third of the training items become those of validation.
void SplitOff(const Scope& task, std::vector<Item>& train, std::vector<Item>& validation) {
  if (train.size() < 2) {
    validation = train;
    return;
  }
  const std::vector<size_t> drawn = TrainingGround::Draw(task, "validation.split", train.size(),
                                                         std::max<size_t>(1, train.size() / 3));
  std::vector<Item> kept;
  size_t next = 0;
  for (size_t i = 0; i < train.size(); ++i) {
    if (next < drawn.size() && drawn[next] == i) {
      validation.push_back(std::move(train[i]));
      ++next;
    } else {
      kept.push_back(std::move(train[i]));
    }
  }
  train = std::move(kept);
}

}  // namespace

std::string OptimizeWorkflowKind::TitleOf(const v1::TaskSpec& spec) const {
  const v1::OptimizeWorkflowSpec& optimize = spec.optimize_workflow();
  const std::string& description = optimize.workflow().description();
  return fmt::format("Optimize {} on {}", description.empty() ? "a workflow" : description,
                     optimize.train().dataset());
}

absl::Status OptimizeWorkflowKind::Validate(const v1::TaskSpec& spec) const {
  const v1::OptimizeWorkflowSpec& optimize = spec.optimize_workflow();
  RETURN_IF_ERROR(CheckWorkflow(optimize.workflow(), services_, kWorkflowField));
  bool trainable = false;
  for (const auto& [name, parameter] : optimize.workflow().parameters()) {
    trainable = trainable || parameter.trainable();
  }
  if (!trainable) return WrongOptimize("workflow.parameters", "mark at least one as trainable");
  const Json values = JsonOfEntries(optimize.values());
  RETURN_IF_ERROR(CheckValues(optimize.workflow(), values, "spec.optimize_workflow.values"));
  RETURN_IF_ERROR(CheckWorkflow(WithValues(optimize.workflow(), values), services_,
                                "spec.optimize_workflow.values"));
  RETURN_IF_ERROR(CheckOptimizeNumbers(optimize));
  return CheckOptimizeItems(optimize, *datasets_);
}

std::vector<SpecProblem> OptimizeWorkflowKind::FindSpecProblems(const v1::TaskSpec& spec) const {
  std::vector<SpecProblem> problems;
  for (WorkflowProblem& problem : FindProblems(spec.optimize_workflow().workflow(), services_)) {
    problems.push_back(
        {fmt::format("{}.{}", kWorkflowField, problem.place), std::move(problem.what)});
  }
  return problems.empty() ? TaskKind::FindSpecProblems(spec) : problems;
}

std::vector<std::string> OptimizeWorkflowKind::PromptFamilies(const v1::TaskSpec& spec) const {
  std::vector<std::string> families = PromptFamiliesOf(spec.optimize_workflow().workflow());
  families.push_back("trace");
  families.push_back("evaluate");
  return families;
}

Async<v1::TaskResult> OptimizeWorkflowKind::Run(Scope& scope, v1::TaskSpec spec) const {
  const v1::OptimizeWorkflowSpec& optimize = spec.optimize_workflow();
  OptimizeWorkflowOptions options;
  GroundOptions& ground = options.ground;
  ground.workflow = optimize.workflow();
  ground.fixed_values = JsonOfEntries(optimize.values());
  ground.objective = optimize.objective();
  CO_ASSIGN_OR_RETURN(ground.graders, OptimizeGraders(optimize));
  if (optimize.concurrency() > 0) ground.concurrency = optimize.concurrency();
  if (optimize.memory() > 0) ground.memory = static_cast<size_t>(optimize.memory());
  ground.max_runs = optimize.max_runs();
  std::vector<std::string> fields;
  CO_ASSIGN_OR_RETURN(ground.train,
                      co_await LoadItems(scope, "train", datasets_, optimize.train(), &fields));
  if (optimize.has_validation()) {
    CO_ASSIGN_OR_RETURN(ground.validation, co_await LoadItems(scope, "validation", datasets_,
                                                              optimize.validation(), nullptr));
  } else {
    SplitOff(scope, ground.train, ground.validation);
  }
  if (optimize.has_test()) {
    CO_ASSIGN_OR_RETURN(
        options.test, co_await LoadItems(scope, "test.items", datasets_, optimize.test(), nullptr));
  }
  const std::map<std::string, std::string> given(optimize.inputs().begin(),
                                                 optimize.inputs().end());
  CO_ASSIGN_OR_RETURN(ground.input_fields, MatchInputs(optimize.workflow(), given, fields));
  options.trainer = TrainerOptionsOf(optimize);
  v1::TaskResult result;
  v1::OptimizeWorkflowResult& detail = *result.mutable_optimize_workflow();
  detail.set_train_items(static_cast<int32_t>(ground.train.size()));
  detail.set_validation_items(static_cast<int32_t>(ground.validation.size()));
  detail.set_test_items(static_cast<int32_t>(options.test.size()));
  detail.set_trainer(optimize.trainer() == v1::OptimizeWorkflowSpec::TRAINER_UNSPECIFIED
                         ? v1::OptimizeWorkflowSpec::TRAINER_PRIORITY_SEARCH
                         : optimize.trainer());

  const auto optimizer = MakeGraphOptimizer(OptimizerConfigOf(optimize));
  CO_ASSIGN_OR_RETURN(
      const OptimizeWorkflowOutcome outcome,
      co_await OptimizeWorkflow(scope, std::move(options), optimizer.get(), &services_));
  FillOptimizeResult(outcome, optimize.workflow(), detail);
  result.set_text(OptimizeSummary(detail));
  result.set_stop_reason(StopReasonOf(outcome.training.stopped));
  AddTrainedWin(outcome, optimize.workflow(), result);
  std::vector<ReportFile> files = MakeOptimizeReport(detail, outcome.picture());
  CO_ASSIGN_OR_RETURN(const std::vector<Artifact> report,
                      co_await PublishReport(scope, std::move(files)));
  AddArtifacts(report, result);
  FitCandidates(detail);
  co_return result;
}

}  // namespace troupe
